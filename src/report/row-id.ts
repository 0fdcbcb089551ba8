/** For people, on one line: a file's name may hold line ends, and what a terminal takes for a command. */
export function rowIdText(rowId: readonly string[]): string {
  return rowId
    .join(', ')
    .replace(/\p{Cc}/gu, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
