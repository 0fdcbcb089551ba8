import pg from 'pg';
import { RowReceiver } from '../row-receiver.ts';
import type { DriverRow } from '../statement.ts';

/** The rows of a statement as they arrive: with a listener the driver keeps none. */
export async function rowByRow(
  client: pg.Client,
  text: string,
  each: (row: DriverRow) => void,
): Promise<void> {
  const receiver = new RowReceiver(each);
  await new Promise<void>((resolve, reject) => {
    const query = client.query(new pg.Query({ text, rowMode: 'array' } as pg.QueryConfig));
    query.on('row', (row) => receiver.add(row as unknown as DriverRow));
    query.on('error', reject);
    query.on('end', () => resolve());
  });
  receiver.end();
}
