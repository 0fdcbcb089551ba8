import fc from 'fast-check';

/** A JSON text with the string leaves that were put into it. */
export interface JsonText {
  readonly text: string;
  readonly leaves: readonly { readonly path: string; readonly text: string }[];
}

/** A node before its path is known. */
type Build = (path: string) => JsonText;

/** A string in some spelling: its token, and what it says. */
interface Spelled {
  readonly token: string;
  readonly text: string;
}

const space = fc.string({ unit: fc.constantFrom(' ', '\n', '\r', '\t'), maxLength: 2 });

const unit: fc.Arbitrary<Spelled> = fc.oneof(
  fc.constantFrom(...'aZ09+/=:. -_$é漢\u2028').map((c) => ({ token: c, text: c })),
  fc.constantFrom('b', 'f', 'n', 'r', 't', '"', '\\', '/').map((c) => {
    const token = `\\${c}`;
    return { token, text: JSON.parse(`"${token}"`) as string };
  }),
  // Any UTF-16 unit: controls, halves of surrogate pairs, `\u002B` inside of base64.
  fc
    .tuple(fc.oneof(fc.nat(0xffff), fc.constantFrom(0x2b, 0x22, 0x5c, 0xd83d, 0xdd11)), fc.boolean())
    .map(([code, upper]) => {
      const hex = code.toString(16).padStart(4, '0');
      return { token: `\\u${upper ? hex.toUpperCase() : hex}`, text: String.fromCharCode(code) };
    }),
);

const spelled: fc.Arbitrary<Spelled> = fc.array(unit, { maxLength: 12 }).map((units) => ({
  token: units.map(({ token }) => token).join(''),
  text: units.map(({ text }) => text).join(''),
}));

/** Few names, so that duplicate keys are common. */
const key = fc.oneof(
  {
    arbitrary: fc
      .constantFrom('a', 'b', '0', 'a.b', '', '[0]', '"')
      .map((text) => ({ token: JSON.stringify(text).slice(1, -1), text })),
    weight: 4,
  },
  { arbitrary: fc.constant({ token: '\\u0061', text: 'a' }), weight: 1 },
  { arbitrary: spelled, weight: 1 },
);

const scalar = fc.constantFrom(
  'true',
  'false',
  'null',
  '0',
  '-0',
  '0.10',
  '1e400',
  '-1.5E+07',
  '9007199254740993',
  '123456789012345678901234567890',
);

const { node } = fc.letrec<{ node: Build }>((tie) => ({
  node: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    spelled.map(
      ({ token, text }): Build =>
        (path) => ({ text: `"${token}"`, leaves: [{ path, text }] }),
    ),
    scalar.map(
      (text): Build =>
        () => ({ text, leaves: [] }),
    ),
    fc.tuple(fc.array(fc.tuple(space, tie('node'), space), { maxLength: 5 }), space).map(
      ([items, inside]): Build =>
        (path) => {
          const built = items.map(([before, item, after], i) => ({
            before,
            after,
            ...item(`${path}[${i}]`),
          }));
          const text = built.map((item) => `${item.before}${item.text}${item.after}`).join(',');
          return { text: `[${inside}${text}]`, leaves: built.flatMap(({ leaves }) => leaves) };
        },
    ),
    fc.tuple(fc.array(fc.tuple(space, key, space, tie('node'), space), { maxLength: 5 }), space).map(
      ([members, inside]): Build =>
        (path) => {
          const built = members.map(([a, name, b, value, c]) => {
            const plain = /^[A-Za-z0-9_$-]+$/.test(name.text);
            const below = value(path + (plain ? `.${name.text}` : `[${JSON.stringify(name.text)}]`));
            return { text: `${a}"${name.token}"${b}:${c}${below.text}`, leaves: below.leaves };
          });
          return {
            text: `{${inside}${built.map(({ text }) => text).join(',')}}`,
            leaves: built.flatMap(({ leaves }) => leaves),
          };
        },
    ),
  ),
}));

/** Random JSON texts: escapes of every kind, duplicate keys, numbers that JavaScript cannot hold, white space. */
export const jsonText: fc.Arbitrary<JsonText> = fc.tuple(space, node, space).map(([before, build, after]) => {
  const { text, leaves } = build('');
  return { text: `${before}${text}${after}`, leaves };
});
