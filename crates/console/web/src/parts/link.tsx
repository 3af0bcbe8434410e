// A link within the console: a real one, so that it can be copied and opened in another tab.

import type { ComponentChildren } from "preact";
import { go } from "../model/route";

interface Properties {
  to: string;
  children: ComponentChildren;
  class?: string;
  current?: boolean;
  title?: string;
}

export function Link({ to, children, current, ...rest }: Properties) {
  const follow = (event: MouseEvent) => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(to);
  };
  return <a href={to} onClick={follow} {...(current ? { "aria-current": "page" as const } : {})} {...rest}>{children}</a>;
}
