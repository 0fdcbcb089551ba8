import { KeyturnError } from '../error.ts';

/**
 * One setting in `<octopus-settings><set key="…">text</set>…</octopus-settings>`. The file is edited in place: every byte
 * outside the element stays. Whatever is not exactly this form is refused.
 */
export interface Setting {
  /** Decoded. */
  readonly value: string;
  /** The whole element. */
  readonly start: number;
  readonly end: number;
}

const root = 'octopus-settings';
/** A comment, a processing instruction, anything else that begins with `<!`, or a tag. */
const token =
  /<!--[\s\S]*?-->|<\?[\s\S]*?\?>|<![\s\S]*?>|<\/?([A-Za-z][\w.-]*)((?:\s+[\w:.-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>/g;

/** The setting with this name; undefined: the file has none. @throws KeyturnError `config-unreadable` */
export function findSetting(text: string, name: string, path: string): Setting | undefined {
  return settingsOf(text, path).found.get(name);
}

/** The text with the setting replaced, or added as the last one. */
export function withSetting(text: string, name: string, value: string, path: string): string {
  const { found, close } = settingsOf(text, path);
  const element = `<set key="${encoded(name)}">${encoded(value)}</set>`;
  const old = found.get(name);
  if (old !== undefined) return text.slice(0, old.start) + element + text.slice(old.end);
  const end = text.includes('\r\n') ? '\r\n' : '\n';
  return `${text.slice(0, close)}  ${element}${end}${text.slice(close)}`;
}

function settingsOf(text: string, path: string): { found: Map<string, Setting>; close: number } {
  const found = new Map<string, Setting>();
  let open: { readonly name: string; readonly start: number; readonly content: number } | null = null;
  let inside = false;
  let close = -1;
  let at = 0;
  for (const match of text.matchAll(token)) {
    const [whole, tag, attributes = '', selfClosed] = match;
    const start = match.index;
    const between = text.slice(at, start);
    if (between.includes('<') || (open === null && between.replace('\uFEFF', '').trim() !== ''))
      throw unexpected(path);
    at = start + whole.length;
    if (tag === undefined) {
      // A comment may stand between settings; a CDATA section or a document type is not read
      if (open !== null || (whole.startsWith('<!') && !whole.startsWith('<!--'))) throw unexpected(path);
    } else if (open !== null) {
      if (whole !== '</set>') throw unexpected(path);
      add(found, open.name, { value: decoded(between, path), start: open.start, end: at }, path);
      open = null;
    } else if (tag === root) {
      if (whole.startsWith('</') !== inside || close >= 0 || selfClosed === '/') throw unexpected(path);
      if (inside) close = start;
      inside = !inside;
    } else if (tag === 'set' && inside && !whole.startsWith('</')) {
      const name = keyOf(attributes, path);
      if (selfClosed === '/') add(found, name, { value: '', start, end: at }, path);
      else open = { name, start, content: at };
    } else throw unexpected(path);
  }
  if (close < 0 || text.slice(at).trim() !== '') throw unexpected(path);
  return { found, close };
}

function add(found: Map<string, Setting>, name: string, setting: Setting, path: string): void {
  if (found.has(name)) throw unexpected(path, `it has ${name} more than once`);
  found.set(name, setting);
}

function keyOf(attributes: string, path: string): string {
  const found = /(?:^|\s)key\s*=\s*(?:"([^"]*)"|'([^']*)')/.exec(attributes);
  const key = found?.[1] ?? found?.[2];
  if (key === undefined) throw unexpected(path);
  return decoded(key, path);
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function decoded(text: string, path: string): string {
  return text.replace(/&([^;&]*)(;?)/g, (_, name: string, end: string) => {
    const number = /^#(?:x([0-9a-fA-F]{1,6})|(\d{1,7}))$/.exec(name);
    const code = number === null ? -1 : Number.parseInt(number[1] ?? number[2] ?? '', number[1] ? 16 : 10);
    const character = code >= 0 && code <= 0x10ffff ? String.fromCodePoint(code) : entities[name];
    if (end === '' || character === undefined) throw unexpected(path);
    return character;
  });
}

function encoded(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

function unexpected(path: string, why = `it is not <${root}> with <set key="…"> elements`): KeyturnError {
  return new KeyturnError(
    'config-unreadable',
    `${path} is not a configuration file of Octopus Server: ${why}`,
    {
      hint: 'name the OctopusServer.config of the instance with --config',
    },
  );
}
