import pg from 'pg';
import type { Texts } from '../statement.ts';
import { Taken } from '../taken.ts';

/** The rows of a statement as they arrive: with a listener the driver keeps none. */
export async function rowByRow(client: pg.Client, text: string, each: (row: Texts) => void): Promise<void> {
  const taken = new Taken(each);
  await new Promise<void>((resolve, reject) => {
    const query = client.query(new pg.Query({ text, rowMode: 'array' } as pg.QueryConfig));
    query.on('row', (row) => taken.add(row as unknown as Texts));
    query.on('error', reject);
    query.on('end', () => resolve());
  });
  taken.end();
}
