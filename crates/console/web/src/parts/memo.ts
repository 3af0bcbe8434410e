// A component that is drawn again only when one of its properties is another.

import { Component, type ComponentChildren, h } from "preact";

export function memo<P extends object>(draw: (properties: P) => ComponentChildren) {
  class Memo extends Component<P> {
    override shouldComponentUpdate(next: Readonly<P>): boolean {
      const now = this.props as { [name: string]: unknown };
      const then = next as { [name: string]: unknown };
      return Object.keys(then).some((name) => !Object.is(now[name], then[name]));
    }

    override render(): ComponentChildren {
      return draw(this.props);
    }
  }
  return (properties: P) => h(Memo, properties);
}
