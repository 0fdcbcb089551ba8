import type { KeyShape } from '../../src/keys/key-shape.ts';

export const n8n: KeyShape = { form: 'text', trim: 'quotes', generate: { bytes: 24, as: 'base64' } };
export const octopus: KeyShape = {
  form: 'base64',
  trim: 'space',
  bytes: [16, 32],
  generate: { bytes: 16, as: 'base64' },
};
export const hex: KeyShape = { form: 'hex', trim: 'space', bytes: [32], generate: { bytes: 32, as: 'hex' } };
export const fernet: KeyShape = {
  form: 'base64url',
  trim: 'space',
  bytes: [32],
  generate: { bytes: 32, as: 'base64url' },
};
