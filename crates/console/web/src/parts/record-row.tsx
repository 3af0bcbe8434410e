// A record on one line of a list.

import { memo } from "./memo";
import type { LogRecord } from "../api/types";
import { at, textAt } from "../model/fields";
import { clockTime, dateOf, duration, parseTime } from "../model/time";
import { LevelMark } from "./level";
import { Text } from "./text";

interface Properties {
  record: LogRecord;
  columns: string[];
  /** Whether the list spans days, so that the time of day alone would not do. */
  dates: boolean;
}

export const RecordRow = memo(({ record, columns, dates }: Properties) => {
  const micros = parseTime(textAt(record, "timestamp"));
  const took = at(record, "trace.execution_time_ms");
  const status = textAt(record, "http.status");
  const error = textAt(record, "error.type") || textAt(record, "error.details");
  return (
    <>
      <time class="when">
        {micros === null ? "–" : <>{dates && <span class="date">{dateOf(micros).slice(5)} </span>}{clockTime(micros)}</>}
      </time>
      <LevelMark level={textAt(record, "level")} />
      <span class="source"><Text text={textAt(record, "logger_name")} most={60} /></span>
      <span class={`status s${status.charAt(0)}`}><Text text={status} most={5} /></span>
      <span class="took">{typeof took === "number" ? duration(took * 1000) : ""}</span>
      <span class="message">
        <Text text={textAt(record, "message")} />
        {error !== "" && <span class="why"> <Text text={error} most={80} /></span>}
      </span>
      {columns.map((path) => <span class="column" key={path}><Text text={textAt(record, path)} most={100} /></span>)}
    </>
  );
});
