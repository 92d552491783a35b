// A day that cannot be mistaken for a month.
const PARTS: Record<string, string> = {
  Y: '2026',
  y: '26',
  m: '03',
  d: '31',
  H: '14',
  M: '05',
  S: '09',
  b: 'Mar',
  B: 'March',
  e: '31',
  p: 'PM',
  I: '02',
  z: '+0000',
};

/** How 31 March 2026 looks written so, in the manner of strftime; ISO 8601 is the empty format. */
export function exampleOf(format: string): string {
  if (format === '') return '2026-03-31';
  return format.replace(/%([a-zA-Z%])/g, (whole, part: string) => (part === '%' ? '%' : (PARTS[part] ?? whole)));
}
