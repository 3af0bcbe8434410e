// Times as the API has them: RFC 3339 in UTC with microseconds. JavaScript's own dates have
// milliseconds, so the fraction is handled as text. Everything is shown in UTC.

const FORM = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2})?)(?:\.(\d{1,9}))?(Z|[+-]\d{2}:?\d{2})?$/i;

/** Microseconds since 1970, or null if it is no time. Without a zone it is UTC. */
export function parseTime(text: string): number | null {
  const found = FORM.exec(text.trim());
  if (!found) {
    const day = /^\d{4}-\d{2}-\d{2}$/.exec(text.trim());
    if (!day) return null;
    const at = Date.parse(`${day[0]}T00:00:00Z`);
    return Number.isNaN(at) ? null : at * 1000;
  }
  const [, date, clock, fraction = "", zone = "Z"] = found;
  const offset = zone.length === 5 ? `${zone.slice(0, 3)}:${zone.slice(3)}` : zone.toUpperCase();
  const seconds = Date.parse(`${date}T${clock}${offset}`);
  if (Number.isNaN(seconds)) return null;
  return seconds * 1000 + Number(fraction.padEnd(6, "0").slice(0, 6));
}

/** As the API takes it. */
export function rfc3339(micros: number): string {
  const { date, clock, fraction } = parts(micros);
  return `${date}T${clock}.${fraction}Z`;
}

/** Without a fraction that is zero: for links, boxes, and people. */
export function shortTime(micros: number, between = " "): string {
  const { date, clock, fraction } = parts(micros);
  const digits = fraction.replace(/0+$/, "");
  return `${date}${between}${clock}${digits === "" ? "" : `.${digits}`}`;
}

/** The time of day, with milliseconds. */
export function clockTime(micros: number): string {
  const { clock, fraction } = parts(micros);
  return `${clock}.${fraction.slice(0, 3)}`;
}

/** The date: `2026-01-26`. */
export function dateOf(micros: number): string {
  return parts(micros).date;
}

function parts(micros: number): { date: string; clock: string; fraction: string } {
  const whole = Math.floor(micros / 1000);
  const bounded = Math.min(Math.max(whole, -62_135_596_800_000), 253_402_300_799_999);
  const text = new Date(bounded).toISOString();
  const rest = String(Math.floor(micros - whole * 1000)).padStart(3, "0");
  return { date: text.slice(0, 10), clock: text.slice(11, 19), fraction: text.slice(20, 23) + rest };
}

/** Now, in whole seconds. */
export function now(): number {
  return Math.ceil(Date.now() / 1000) * 1_000_000;
}

/** A span of time for people, from its microseconds. */
export function duration(micros: number): string {
  if (micros < 1000) return `${round(micros)} µs`;
  if (micros < 1_000_000) return `${round(micros / 1000)} ms`;
  if (micros < 60_000_000) return `${round(micros / 1_000_000)} s`;
  const seconds = Math.round(micros / 1_000_000);
  const [days, hours, minutes] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60];
  if (days > 0) return hours > 0 ? `${days} d ${hours} h` : `${days} d`;
  if (hours > 0) return minutes > 0 ? `${hours} h ${minutes} min` : `${hours} h`;
  return seconds % 60 > 0 ? `${minutes} min ${seconds % 60} s` : `${minutes} min`;
}

function round(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? trim(value.toFixed(1)) : trim(value.toFixed(2));
}

function trim(text: string): string {
  return text.replace(/\.?0+$/, "");
}
