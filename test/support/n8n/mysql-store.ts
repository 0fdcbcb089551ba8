import mysql from 'mysql2/promise';
import { driverUrl } from '../mariadb.ts';
import { type Cell, type Found, inOneSchema, type Place, type Store } from './place.ts';

/** What a store's session holds a lock on, with its number: thus it is known from keyturn's. */
export const storeMark = 'n8n-store-';

export async function mysqlStore(place: Place): Promise<Store> {
  const connection = await mysql.createConnection({ uri: driverUrl(place.url), charset: 'utf8mb4' });
  // A server that ends shows in the next query
  connection.on('error', () => undefined);
  await connection.query(`set sql_mode = concat(@@sql_mode, ',ANSI_QUOTES')`);
  await connection.query(`select get_lock(concat('${storeMark}', connection_id()), 0)`);
  const rows = async (sql: string, parameters: readonly Cell[] = []): Promise<Found[]> => {
    const [found] = await connection.query(sql, [...parameters]);
    return Array.isArray(found) ? (found as Found[]) : [];
  };
  return {
    engine: 'mysql',
    place,
    rows,
    ...inOneSchema(rows, 'database()'),
    close: () => connection.end(),
  };
}
