const english = new Intl.NumberFormat('en-US', { maximumFractionDigits: 1 });

/** `1,234,567`: the same in every locale, so that reports can be compared. */
export function thousands(n: number): string {
  return english.format(n);
}

/** `1 value`, `2,000 values`. */
export function count(n: number, noun: string): string {
  return `${thousands(n)} ${noun}${n === 1 ? '' : 's'}`;
}

const units = ['KB', 'MB', 'GB', 'TB'] as const;

/** `12.3 MB` in units of 1024; below one kilobyte, `17 bytes`. */
export function bytes(n: number): string {
  const size = Math.abs(n);
  if (size < 1024) return count(Math.round(n), 'byte');
  const power = Math.min(units.length, Math.floor(Math.log2(size) / 10));
  return `${thousands(n / 1024 ** power)} ${units[power - 1] ?? ''}`;
}
