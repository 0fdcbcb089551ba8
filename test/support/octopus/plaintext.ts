import type { Random } from '../random.ts';

/** What people keep in sensitive values, in every length that padding treats differently. */
export function plaintext(random: Random): Buffer {
  const token = (bytes: number) => random.bytes(bytes).toString('base64url');
  switch (random.below(10)) {
    case 0:
      return Buffer.from(`Server=sql-${random.below(20)};Database=shop;User Id=app;Password=${token(12)};`);
    case 1:
      return Buffer.from(JSON.stringify({ client_email: 'deploy@example.com', private_key_id: token(20) }));
    case 2:
      return Buffer.from(
        `-----BEGIN PRIVATE KEY-----\r\n${random.bytes(300).toString('base64')}\r\n-----END PRIVATE KEY-----\r\n`,
      );
    case 3:
      return Buffer.from(`пароль-${token(6)}-密码 🔑`);
    case 4:
      // Raw bytes, no UTF-8
      return Buffer.concat([Buffer.of(0xff, 0xfe, 0x00), random.bytes(random.below(100))]);
    case 5:
      return Buffer.from(token(16).slice(0, 1 + random.below(4)));
    default:
      return Buffer.from(token(40).slice(0, 8 + random.below(40)));
  }
}
