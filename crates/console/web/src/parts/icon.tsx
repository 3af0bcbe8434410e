// Small pictures, drawn here because fonts differ in what they have.

const PATHS = {
  copy: "M5.5 5.5V3.5A1 1 0 0 1 6.5 2.5H12.5A1 1 0 0 1 13.5 3.5V9.5A1 1 0 0 1 12.5 10.5H10.5M3.5 5.5H9.5A1 1 0 0 1 10.5 6.5V12.5A1 1 0 0 1 9.5 13.5H3.5A1 1 0 0 1 2.5 12.5V6.5A1 1 0 0 1 3.5 5.5Z",
  column: "M2.5 3.5H13.5V12.5H2.5ZM6.2 3.5V12.5M9.8 3.5V12.5",
  close: "M4 4L12 12M12 4L4 12",
  earlier: "M10 3.5L5.5 8L10 12.5",
  later: "M6 3.5L10.5 8L6 12.5",
  now: "M3 8H10.5M7.5 4.5L11 8L7.5 11.5M13 3.5V12.5",
};

export function Icon({ name }: { name: keyof typeof PATHS }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
