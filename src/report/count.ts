const english = new Intl.NumberFormat('en-US', { maximumFractionDigits: 1 });

/** 1,234,567: the same in every locale, so that reports can be compared. */
export function thousands(n: number): string {
  return english.format(n);
}

/** `1 value`, `2,000 values`. */
export function count(n: number, noun: string): string {
  return `${thousands(n)} ${noun}${n === 1 ? '' : 's'}`;
}
