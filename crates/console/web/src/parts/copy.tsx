// Copies a text, and says whether that worked.

import { useEffect, useState } from "preact/hooks";
import type { ComponentChildren } from "preact";

interface Properties {
  text: () => string;
  label: string;
  children: ComponentChildren;
  class?: string;
}

export function Copy({ text, label, children, class: name = "" }: Properties) {
  const [said, setSaid] = useState("");
  useEffect(() => {
    if (said === "") return undefined;
    const timer = setTimeout(() => setSaid(""), 1500);
    return () => clearTimeout(timer);
  }, [said]);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text());
      setSaid("copied");
    } catch {
      setSaid("not copied: the browser forbids it");
    }
  };
  return (
    <button type="button" class={name} aria-label={label} title={label} onClick={copy}>
      {said === "" ? children : <span role="status">{said}</span>}
    </button>
  );
}
