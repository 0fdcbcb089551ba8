import { connectMssql } from '../mssql.ts';
import { type Cell, type Found, inOneSchema, type Place, type Store } from './place.ts';

export async function mssqlStore(place: Place): Promise<Store> {
  const pool = await connectMssql(decodeURIComponent(new URL(place.url).pathname.slice(1)));
  pool.on('error', () => undefined);
  const rows = async (sql: string, parameters: readonly Cell[] = []): Promise<Found[]> => {
    const request = pool.request();
    for (const [at, value] of parameters.entries()) request.input(`p${at}`, value);
    let position = 0;
    return (await request.query(sql.replace(/\?/g, () => `@p${position++}`))).recordset ?? [];
  };
  return {
    engine: 'mssql',
    place,
    rows,
    ...inOneSchema(rows, 'schema_name()'),
    close: () => pool.close(),
  };
}
