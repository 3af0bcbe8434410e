// Which collectors a tail follows, and which of them answer.

import { Text } from "./text";

export interface Followed {
  name: string;
  /** Whether its records come. */
  answers: boolean;
  /** Why it cannot be reached. */
  lost: string | null;
}

export function Collectors({ list }: { list: Followed[] }) {
  if (list.length === 0) return null;
  const answering = list.filter((one) => one.answers).length;
  return (
    <details class="menu">
      <summary>{answering === list.length ? "" : `${answering} of `}{list.length} {list.length === 1 ? "collector" : "collectors"}</summary>
      <div class="menu-body">
        <ul class="collectors">
          {list.map((one) => (
            <li key={one.name}>
              <Text text={one.name} most={200} /> <span class="hint">{one.answers ? "followed" : one.lost === null ? "connecting" : "lost, tried again"}</span>
            </li>
          ))}
        </ul>
      </div>
    </details>
  );
}
