// What a browser remembers of its user: the colours, and saved views where the server keeps none. Nothing of
// a record.

/** A view that this browser keeps: a search without its times, and how long the span was. */
export interface View {
  name: string;
  query: string;
  columns: string[];
  /** Microseconds. */
  span: number;
}

export type Theme = "system" | "light" | "dark";

/** Views that a browser keeps. */
export const VIEWS = 50;

/** Storage may be full or forbidden: then nothing is remembered. */
function read(name: string): string | null {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

function write(name: string, text: string): void {
  try {
    localStorage.setItem(name, text);
  } catch {
    // Not remembered.
  }
}

export function theme(): Theme {
  const found = read("gatelog.theme");
  return found === "light" || found === "dark" ? found : "system";
}

/** Shows these colours, and remembers them. */
export function setTheme(to: Theme): void {
  write("gatelog.theme", to);
  showTheme(to);
}

export function showTheme(to: Theme): void {
  document.documentElement.dataset.theme = to;
}

export function views(): View[] {
  try {
    const found: unknown = JSON.parse(read("gatelog.views") ?? "[]");
    return Array.isArray(found) ? found.filter(isView).slice(0, VIEWS) : [];
  } catch {
    return [];
  }
}

/** Saves a view under its name; one of that name is replaced, and past the bound the oldest goes. */
export function saveView(view: View): View[] {
  return keep([...views().filter((other) => other.name !== view.name), view].slice(-VIEWS));
}

export function removeView(name: string): View[] {
  return keep(views().filter((view) => view.name !== name));
}

function keep(list: View[]): View[] {
  write("gatelog.views", JSON.stringify(list));
  return list;
}

function isView(found: unknown): found is View {
  if (typeof found !== "object" || found === null) return false;
  const { name, query, columns, span } = found as Partial<View>;
  return typeof name === "string" && typeof query === "string" && typeof span === "number" && span > 0 &&
    Array.isArray(columns) && columns.every((column) => typeof column === "string");
}
