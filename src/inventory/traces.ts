/**
 * Candidates for ciphertext in any text: from each literal beginning as far as base64 goes, and where base64url goes
 * further, so far too: the readings of one place. JSON escapes of its characters (`\/`, `\u002B`, `\u002F`, `\u003D`)
 * count as the characters themselves.
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
      found.push([plain.slice(at, end), ...(far > end ? [plain.slice(at, far)] : [])]);
      at = plain.indexOf(beginning, end);
    }
  }
  return found;
}

function unescapeBase64(text: string): string {
  return text
    .replace(/\\+u00([0-9a-fA-F]{2})/g, (escaped, hex: string) => {
      const character = String.fromCharCode(Number.parseInt(hex, 16));
      return /[A-Za-z0-9+/=:_-]/.test(character) ? character : escaped;
    })
    .replace(/\\+\//g, '/');
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
