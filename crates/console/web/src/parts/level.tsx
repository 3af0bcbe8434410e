// The level of a record: by name and colour, never by colour alone.

import { LEVELS } from "../api/types";

const SHORT: { [level: string]: string } = {
  DEBUG: "DEBUG", INFO: "INFO", WARNING: "WARN", ERROR: "ERROR", CRITICAL: "CRIT",
};

export function LevelMark({ level }: { level: string }) {
  const known = (LEVELS as readonly string[]).includes(level);
  return <span class={`level ${known ? level : "other"}`} title={known ? level : ""}>{SHORT[level] ?? "–"}</span>;
}
