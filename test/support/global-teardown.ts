import './global-setup.ts';

export default async function tearDown(): Promise<void> {
  for (const server of globalThis.keyturnTestServers) await server.stop();
  await globalThis.keyturnTestFolder?.remove();
}
