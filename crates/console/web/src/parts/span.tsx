// Since when, and until when: spans to choose from, and absolute times to write.

import { useEffect, useState } from "preact/hooks";
import { SPANS } from "../model/route";
import { Icon } from "./icon";
import { duration, now, parseTime, shortTime } from "../model/time";

interface Properties {
  since: number;
  until: number;
  onSpan: (since: number, until: number) => void;
}

export function Span({ since, until, onSpan }: Properties) {
  const length = until - since;
  return (
    <div class="span" role="group" aria-label="Time">
      <div class="presets" role="group" aria-label="Until now">
        {SPANS.map(([name, micros]) => (
          <button
            key={name} type="button" aria-pressed={length === micros} title={`The last ${name}`}
            onClick={() => { const end = now(); onSpan(end - micros, end); }}
          >{name}</button>
        ))}
      </div>
      <div class="times">
        <button type="button" class="step" aria-label="Earlier" title={`Earlier by ${duration(length)}`} onClick={() => onSpan(since - length, since)}><Icon name="earlier" /></button>
        <TimeInput label="Since" micros={since} valid={(micros) => micros < until} onTime={(micros) => onSpan(micros, until)} />
        <span aria-hidden="true">–</span>
        <TimeInput label="Until" micros={until} valid={(micros) => micros > since} onTime={(micros) => onSpan(since, micros)} />
        <span class="zone">UTC</span>
        <button type="button" class="step" aria-label="Later" title={`Later by ${duration(length)}`} onClick={() => onSpan(until, until + length)}><Icon name="later" /></button>
        <button type="button" class="step" aria-label="Up to now" title="The same length, up to now" onClick={() => { const end = now(); onSpan(end - length, end); }}><Icon name="now" /></button>
      </div>
    </div>
  );
}

interface TimeProperties {
  label: string;
  micros: number;
  valid: (micros: number) => boolean;
  onTime: (micros: number) => void;
}

function TimeInput({ label, micros, valid, onTime }: TimeProperties) {
  const shown = shortTime(micros);
  const [text, setText] = useState(shown);
  const [bad, setBad] = useState(false);
  useEffect(() => { setText(shown); setBad(false); }, [shown]);
  const take = () => {
    if (text === shown) return;
    const found = parseTime(text);
    if (found === null || !valid(found)) setBad(true);
    else onTime(found);
  };
  return (
    <input
      type="text" class="time" aria-label={`${label}, UTC`} value={text} maxLength={40} spellcheck={false} autocomplete="off"
      aria-invalid={bad} title={bad ? "write it as 2026-01-26 02:11:57; since comes before until" : shown}
      onInput={(event) => { setText(event.currentTarget.value); setBad(false); }}
      onBlur={take} onKeyDown={(event) => { if (event.key === "Enter") { event.preventDefault(); take(); } }}
    />
  );
}
