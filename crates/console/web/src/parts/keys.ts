// Keys of a page. They do nothing while something is typed, and nothing behind a dialog.

import { useEffect, useRef } from "preact/hooks";

export type Keys = { [key: string]: () => void };

/** Listens to these keys, by `KeyboardEvent.key`. */
export function useKeys(keys: Keys): void {
  const current = useRef(keys);
  current.current = keys;
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      if (document.querySelector("dialog[open]")) return;
      const target = event.target instanceof Element ? event.target : document.body;
      const typing = target.matches("input, textarea, select");
      if (typing) {
        if (event.key === "Escape") (target as HTMLElement).blur();
        return;
      }
      // These follow links and press buttons.
      if (event.key === "Enter" && target.closest("a, button, summary")) return;
      const action = Object.hasOwn(current.current, event.key) ? current.current[event.key] : undefined;
      if (!action) return;
      event.preventDefault();
      action();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
}
