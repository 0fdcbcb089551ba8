/**
 * Candidates for ciphertext in any text: from each fixed beginning as far as base64 goes and, if base64url or whole
 * lines go further, to their ends as well. These are alternative readings of one value. JSON escapes of base64
 * characters (`\/`, `\u002B`, `\u002F`, `\u003D`) and of line ends count as the characters.
 */
export function traces(text: string, beginnings: readonly string[]): string[][] {
  const plain = text.includes('\\') ? unescapeBase64(text) : text;
  const found: string[][] = [];
  for (const beginning of beginnings) {
    for (let at = plain.indexOf(beginning); at !== -1; ) {
      let end = at + beginning.length;
      while (end < plain.length && isBase64(plain.charCodeAt(end))) end++;
      let far = end;
      while (far < plain.length && isEitherBase64(plain.charCodeAt(far))) far++;
      found.push([
        plain.slice(at, end),
        ...(far > end ? [plain.slice(at, far)] : []),
        ...overLines(plain, at, far, beginning),
      ]);
      at = plain.indexOf(beginning, end);
    }
  }
  return found;
}

/**
 * Base64 in lines, which YAML indents: as far as there are whole lines of base64, and without the last one, since a
 * single word in a line looks like base64. A line with the next beginning belongs to the next value, so that no text is
 * read twice.
 */
function overLines(plain: string, start: number, end: number, beginning: string): string[] {
  const next = /(?:\r\n|\n|\r)[ \t]*([A-Za-z0-9+/=_-]+)(?=[\r\n"']|$)/y;
  next.lastIndex = end;
  const lines = [plain.slice(start, end)];
  for (let found = next.exec(plain); found !== null; found = next.exec(plain)) {
    const line = found[1] ?? '';
    if (line.startsWith(beginning)) break;
    lines.push(line);
  }
  if (lines.length === 1) return [];
  const all = lines.join('');
  return lines.length === 2 ? [all] : [all, lines.slice(0, -1).join('')];
}

function unescapeBase64(text: string): string {
  return text
    .replace(/(?<!\\)\\+u00([0-9a-fA-F]{2})/g, (escaped, hex: string) => {
      const character = String.fromCharCode(Number.parseInt(hex, 16));
      return /[A-Za-z0-9+/=:_-]/.test(character) ? character : escaped;
    })
    .replace(/(?<!\\)\\+\//g, '/')
    .replace(/(?<!\\)\\+r/g, '\r')
    .replace(/(?<!\\)\\+n/g, '\n');
}

function isBase64(code: number): boolean {
  return (
    (code >= 0x61 && code <= 0x7a) || // a-z
    (code >= 0x41 && code <= 0x5a) || // A-Z
    (code >= 0x2f && code <= 0x39) || // / 0-9
    code === 0x2b || // +
    code === 0x3d // =
  );
}

function isEitherBase64(code: number): boolean {
  return isBase64(code) || code === 0x2d /* - */ || code === 0x5f /* _ */;
}
