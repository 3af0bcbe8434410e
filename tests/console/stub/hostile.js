// Records that somebody sent to harm whoever looks at them.
import { exchange, random } from "./records.js";

export const MARKUP = `"><img src=x onerror="document.title='owned'"><script>document.title='owned'</script><style>*{display:none}</style>`;

/** Each is one trick. */
export function hostileRecords(until) {
  const next = random(3);
  const make = (index, change) => {
    const record = exchange(next, until - 1_000_000 - index * 1000, { status: 200, correlation: "hostile" });
    change(record);
    return record;
  };
  return [
    make(0, (record) => {
      record.message = MARKUP;
      record.logger_name = MARKUP;
      record.http.path = MARKUP;
      record.http.status = MARKUP;
      record.extra = { [MARKUP]: MARKUP, __proto__: null, constructor: "c", toString: "t" };
    }),
    make(1, (record) => { record.message = `right \u202egnp.exe\u202c to left \u2066isolated\u2069`; }),
    make(2, (record) => { record.message = "terminal \u001b[2J\u001b[31mred\u0007 nul \u0000 line\nbreak"; }),
    make(3, (record) => { record.message = `zero\u200bwidth\ufeff and \u{e0041}tags, filler \u3164.`; }),
    make(4, (record) => { record.message = "m".repeat(1 << 20); record.extra = { big: "b".repeat(1 << 20), escapes: "\u202ea".repeat(1 << 18) }; }),
    make(5, (record) => { record.message = `Z${"\u0335\u0321\u034f\u0489".repeat(400)}algo`; }),
    make(6, (record) => { record.extra = Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`key${i}`, i])); record.message = "three thousand keys"; }),
    make(7, (record) => {
      let deep = { end: 1 };
      for (let i = 0; i < 90; i += 1) deep = { d: deep };
      record.extra = deep;
      record.message = "ninety deep";
    }),
    make(8, (record) => { record.message = "javascript: link"; record.context.correlation_id = "javascript:alert(1)//../../x?y#z"; }),
    make(9, (record) => {
      Object.assign(record, { level: "<b>LOUD</b>", timestamp: { $date: 1 }, logger_name: null, message: ["not", "text"], context: 7, trace: null, http: [] });
    }),
  ];
}
