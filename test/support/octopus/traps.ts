import { certificates } from './certificate.ts';
import { type Fields, Inner, Leaf, oddSpace, Pairs, Raw } from './document.ts';
import type { Content, House } from './house.ts';

/** What a rotation can get wrong. Each trap has a name, which the checker reports. */

type Trap = (house: House, name: string) => void;

/** A row of its own, for one document. */
function row(house: House, name: string, contents: Readonly<Record<string, Content>>): void {
  const number = house.rows.get('ExtensionConfiguration')?.length ?? 0;
  house.add('ExtensionConfiguration', `trap-${number}`, { Name: name, ...contents });
}

/** A secret, spelled in the JSON as `spell` says; `having` is what its text must have for that. */
function spelled(spell: (json: string) => string, having?: RegExp): Trap {
  return (house, trap) => {
    const leaf = () => house.sealer.secret(undefined, { trap, spell, ...(having && { having }) });
    row(house, trap, { JSON: { document: { Before: 'a\\/b', Password: leaf(), List: [leaf(), 1] } } });
  };
}

function secret(plain: () => Buffer | string): Trap {
  return (house, trap) => {
    const leaf = () => house.sealer.secret(plain(), { trap });
    row(house, trap, { JSON: { document: { Password: leaf() } } });
    house.add('TenantVariable', `trap-${house.rows.get('TenantVariable')?.length}`, {
      JSONBlob: { document: { Value: leaf() }, gzip: true },
    });
  };
}

function alike(texts: (house: House) => readonly string[]): Trap {
  return (house, trap) => {
    const list = texts(house).map((text) => house.sealer.alike(text, trap));
    row(house, trap, { JSON: { document: { List: list, Password: house.sealer.secret() } } });
  };
}

/** A document that is odd around its secret. */
function around(document: (house: House, trap: string) => Fields | Pairs): Trap {
  return (house, trap) => row(house, trap, { JSON: { document: document(house, trap) } });
}

/** Values that are not documents and must stay unchanged. */
function whole(texts: readonly string[]): Trap {
  return (house, trap) => {
    for (const text of texts) row(house, trap, { JSON: new Leaf('plain', text, { trap }) });
  };
}

const hex = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
const base64 = (house: House, bytes: number): string => house.sealer.random.bytes(bytes).toString('base64');

export const traps: Readonly<Record<string, Trap>> = {
  'an escaped plus, upper-case': spelled((json) => json.replaceAll('+', '\\u002B'), /\+/),
  'an escaped plus, lower-case': spelled((json) => json.replaceAll('+', '\\u002b'), /\+/),
  'an escaped slash': spelled((json) => json.replaceAll('/', '\\/'), /\//),
  'an escaped equals sign': spelled((json) => json.replaceAll('=', '\\u003d')),
  'an escaped bar': spelled((json) => json.replace('|', '\\u007C')),
  'every character escaped': spelled((json) => `"${[...json.slice(1, -1)].map(hex).join('')}"`),
  'JSON in a string': around(({ sealer }, trap) => ({
    Outer: new Inner({ Note: 'say "a|b"', Password: sealer.secret(undefined, { trap }) }),
  })),
  'JSON in a string in a string': around(({ sealer }, trap) => ({
    Outer: new Inner({ Inner: new Inner([{ 'a.b': sealer.secret(undefined, { trap }) }]), Path: 'C:\\é' }),
  })),
  'two equal names': around(
    ({ sealer }, trap) =>
      new Pairs([
        ['Password', sealer.secret(undefined, { trap })],
        ['Other', null],
        ['Password', sealer.secret(undefined, { trap })],
      ]),
  ),
  'an integer beyond 2^53': around(({ sealer }, trap) => ({
    Big: new Raw('9007199254740993'),
    Password: sealer.secret(undefined, { trap }),
    Bigger: new Raw('-123456789012345678901234567890'),
  })),
  'odd numbers': around(({ sealer }, trap) => ({
    List: ['1.0', '1e5', '1E+05', '-0', '0.10', '1e-7', '100000000000000000000'].map((json) => new Raw(json)),
    Password: sealer.secret(undefined, { trap }),
  })),
  'odd escapes': around(({ sealer }, trap) => ({
    A: new Raw('"caf\\u00e9 \\u00E9 \\/ / \\u0041 \\ud83d\\udc19 \\uD83D \\u0000 \\b\\f é 🐙"'),
    Password: sealer.secret(undefined, { trap }),
  })),
  'odd white space': (house, trap) => {
    const document = { A: [1, { B: house.sealer.secret(undefined, { trap }) }, []], C: {} };
    row(house, trap, { JSON: { document, space: oddSpace(house.sealer.random), trap } });
  },
  'a document that is one string': (house, trap) => {
    row(house, trap, { JSON: { document: house.sealer.secret(undefined, { trap }) } });
  },
  'an empty plaintext': secret(() => ''),
  'a plaintext of 1 MB': secret(() => Buffer.alloc(1 << 20, 'one megabyte ')),
  'every byte value': secret(() => Buffer.from(Array.from({ length: 512 }, (_, byte) => byte % 256))),
  'a PFX file': secret(() => certificates().uploaded.pfx),
  'emoji and other scripts': secret(() => '🐙🔑👩‍👩‍👧 ключ 鍵 é'),
  'sealed twice': (house, trap) => {
    const inner = house.sealer.text(Buffer.from('the inner plaintext'));
    row(house, trap, { JSON: { document: { Password: house.sealer.secret(inner, { trap }) } } });
  },
  'a shape that does not open': (house, trap) => {
    const list = [1, 2, 3, 4].map(() => house.sealer.shaped(trap));
    row(house, trap, { JSON: { document: { List: list, Password: house.sealer.secret() } } });
  },
  'an IIS binding': alike(() => ['*:80:foo|bar', 'http|*:80:|true', '*:443:shop.example.com|a', '|', 'a|b']),
  'halves of wrong sizes': alike((house) =>
    [
      [24, 16],
      [32, 15],
      [32, 17],
      [0, 16],
      [32, 0],
      [16, 32],
    ].map(([left, right]) => `${base64(house, left ?? 0)}|${base64(house, right ?? 0)}`),
  ),
  'three halves': alike((house) => [
    `${base64(house, 16)}|${base64(house, 16)}|${base64(house, 16)}`,
    `${base64(house, 16)}|${base64(house, 16)}|`,
  ]),
  'sloppy base64': alike((house) => {
    const left = base64(house, 32);
    const right = base64(house, 16);
    return [
      `${left.replace(/=+$/, '')}|${right}`,
      `${left}|${right.slice(0, -2)}`,
      // Bits that no byte has: another text for the same 16 bytes
      `${left}|${right.slice(0, -3)}B==`,
      `${left.slice(0, 20)} ${left.slice(20)}|${right}`,
      `-_${left.slice(2)}|${right}`,
    ];
  }),
  'no document at all': (house, trap) => {
    row(house, trap, { JSON: new Leaf('plain', '', { trap }) });
    const id = `trap-${house.rows.get('TenantVariable')?.length}`;
    house.add('TenantVariable', id, { JSON: null, JSONBlob: null });
    house.name('TenantVariable', id, 'JSON', 'plain', trap);
    house.name('TenantVariable', id, 'JSONBlob', 'plain', trap);
  },
  'no JSON': whole([
    '<xml a="b|c"/>',
    '{"unfinished": "a|b"',
    'plain words',
    "{'single': 'quotes'}",
    '{} {}',
  ]),
  'a ciphertext as the whole value': (house, trap) => {
    for (let number = 0; number < 3; number++)
      row(house, trap, { JSON: house.sealer.secret(undefined, { trap }) });
  },
  'a table that nobody expects': (house, trap) => {
    for (let number = 1; number <= 6; number++) {
      house.add('ExtensionStore2027', `store-${number}`, {
        Owner: 'Acme',
        Payload: { document: { Nested: { ApiToken: house.sealer.secret(undefined, { trap }) } } },
        Token: number % 2 ? house.sealer.secret(undefined, { trap }) : null,
      });
    }
  },
  'a table without row ids': (house, trap) => {
    for (let number = 1; number <= 5; number++) {
      house.add('ServerLog', null, {
        Occurred: '2026-01-01 00:00:00.000000',
        Category: number % 2 ? 'Info' : null,
        MessageText: new Leaf('plain', `Task ${number % 3} | done`, { trap }),
      });
    }
  },
};
