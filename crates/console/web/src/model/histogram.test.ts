import assert from "node:assert/strict";
import { test } from "node:test";
import type { HistogramAnswer } from "../api/types";
import { merged } from "./histogram";

const reach = (from: string, until: string, complete: boolean) => ({ from, until, complete, reason: complete ? null : "time" as const });

test("answers_that_go_on_from_one_another_add_up_to_one", () => {
  const newer: HistogramAnswer = {
    step_ms: 1000, records: 4, next: "n", reach: reach("02:00", "03:00", false),
    buckets: [{ start: "a", counts: {} }, { start: "b", counts: { ERROR: 1, INFO: 3 } }],
    facets: { status: [[404, 3], ["404", 1]], route: [] },
  };
  const older: HistogramAnswer = {
    step_ms: 1000, records: 3, next: null, reach: reach("01:00", "03:00", true),
    buckets: [{ start: "a", counts: { INFO: 2 } }, { start: "b", counts: { INFO: 1 } }],
    facets: { status: [["404", 5], [404, 1], [500, 2]], route: [["r", 1]] },
  };
  assert.deepEqual(merged(newer, older), {
    step_ms: 1000, records: 7, next: null, reach: reach("01:00", "03:00", true),
    buckets: [{ start: "a", counts: { INFO: 2 } }, { start: "b", counts: { ERROR: 1, INFO: 4 } }],
    facets: { status: [["404", 6], [404, 4], [500, 2]], route: [["r", 1]] },
  });
});
