// The shapes of the API's answers. A record is what some client sent: nothing in it is certain
// except that it is JSON.

export const LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] as const;
export type Level = (typeof LEVELS)[number];

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type LogRecord = { [key: string]: Json };

export interface Session {
  name: string;
  role: "all" | "organizations";
  organizations: string[];
  /** Null: it does not expire. */
  expires: string | null;
  /** Whether the console follows collectors. */
  live: boolean;
}

export interface SavedView {
  name: string;
  /** Path and query of a page. */
  address: string;
  /** Whether everybody with the role all sees it. */
  shared: boolean;
  own: boolean;
  /** Its owner's name. */
  by: string;
}

export interface ViewsAnswer {
  /** Whether the server keeps views. */
  kept: boolean;
  /** Why not: it is switched off, or may not write its database. */
  reason: null | "off" | "denied";
  may_share: boolean;
  views: SavedView[];
}

/** How far a search looked. */
export interface Reach {
  from: string;
  until: string;
  complete: boolean;
  /** Why it ends there: the page is full, or the time was over. */
  reason: null | "page" | "time";
  /** Whether records that belong to no flow were passed over. */
  only_flows?: boolean;
}

export interface SearchPage {
  records: LogRecord[];
  /** Where the next page begins; null at the end. */
  next: string | null;
  reach: Reach;
}

export type Count = [value: string | number, count: number];

export interface Bucket {
  start: string;
  counts: { [level: string]: number };
}

export interface HistogramAnswer {
  step_ms: number;
  /** How many are counted. */
  records: number;
  buckets: Bucket[];
  facets: { [field: string]: Count[] };
  reach: Reach;
  /** Where counting goes on; null at the end. */
  next: string | null;
}

export interface OverviewCounts {
  /** Requests, or of applications records, sampled ones counted as often as they stand for. */
  count: number;
  errors: number;
  mean_us: number | null;
}

export interface OverviewTimes extends OverviewCounts {
  p50_us: number | null;
  p90_us: number | null;
  p99_us: number | null;
  max_us: number;
}

/** Counts by name: what names it is among its keys. */
export interface OverviewRow extends OverviewCounts {
  p99_us?: number | null;
  /** Null: the period before was not counted. */
  before: OverviewCounts | null;
  change: number | null;
  [key: string]: unknown;
}

export interface OverviewTable {
  rows: OverviewRow[];
  names: number;
  others: OverviewRow;
}

export interface OverviewPoint extends Partial<Omit<OverviewTimes, "count">> {
  start: string;
  /** Null: not read. */
  count: number | null;
  classes?: { [status: string]: number };
  heat?: [band: number, count: number][];
}

export interface OverviewReason {
  why: string;
  at?: string | null;
  collector?: string;
  waiting?: number;
}

export interface OverviewAnswer {
  from: string;
  until: string;
  before: string;
  resolution: "minute" | "hour";
  step_ms: number;
  complete: boolean;
  reasons: OverviewReason[];
  counted_to: string;
  counting: boolean;
  explanation: string | null;
  totals: OverviewTimes & { classes: { [status: string]: number }; before: OverviewTimes | null; change: number | null };
  series: OverviewPoint[];
  heat_scale: number;
  /** Null: not for this viewer. */
  routes: OverviewTable | null;
  organizations: OverviewTable | null;
  loggers: OverviewTable | null;
  errors: OverviewTable | null;
}

export interface FlowEntry {
  /** Null: it has none, and cannot be asked for. */
  id: string | null;
  parent: string | null;
  depth: number;
  level: string;
  timestamp: string;
  start: string;
  duration_us: number | null;
  source: string;
  kind: "gateway" | "service";
  title: string;
  status: number | string | null;
  error: boolean;
  critical: boolean;
  /** What flows keep of it; past a bound of the answer, only its `id`. */
  record: LogRecord;
}

export interface FlowAnswer {
  correlation_id: string | null;
  records: FlowEntry[];
  complete: boolean;
  reason: string | null;
  /** Whether there are records that the viewer may not see. */
  hidden: boolean;
}

/** Where each record of a boot is, by the term of the accounting. */
export interface Terms {
  assigned: number;
  stored: number;
  spooled: number;
  quarantined: number;
  dropped: number;
  recovered: number;
  queued: number;
  unknown: number;
  missing: number;
  sampled: number;
}

export interface Boot extends Terms {
  gateway: string;
  boot: string;
  dropped_by_reason: { [reason: string]: number };
  gaps: Json;
  updated: string;
}

export interface DeliveryAnswer {
  boots: Boot[];
  sums?: Partial<Terms>;
  /** Whether the accounts of all collectors could be read. */
  complete?: boolean;
  unnumbered?: { accepted: number; quarantined: number };
  next?: string | null;
}
