/** `2026-01-05 03:04:05` for an ISO time in UTC. */
export function moment(iso: string): string {
  return iso.slice(0, 19).replace('T', ' ');
}

/** `1 h 02 min 03 s` between two ISO times. */
export function duration(from: string, to: string): string {
  return span(Math.max(0, Math.round((Date.parse(to) - Date.parse(from)) / 1000)));
}

/** `1 h 02 min 03 s`. */
export function span(seconds: number): string {
  const h = Math.floor(seconds / 3600);
  const min = Math.floor((seconds % 3600) / 60);
  const s = seconds % 60;
  const two = (n: number): string => String(n).padStart(2, '0');
  if (h > 0) return `${h} h ${two(min)} min ${two(s)} s`;
  return min > 0 ? `${min} min ${two(s)} s` : `${s} s`;
}
