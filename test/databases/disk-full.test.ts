import { expect, test } from '@jest/globals';
import { cleaned } from '../../src/databases/mssql/error.ts';
import { withoutValues } from '../../src/databases/mysql/error.ts';
import { isDiskFull } from '../../src/databases/open.ts';

/** An error as mysql2 creates it. */
const mysql = (errno: number, code: string, sqlMessage: string): unknown =>
  withoutValues(Object.assign(new Error(sqlMessage), { errno, code, sqlMessage }));

test.each([
  [3, 'EE_WRITE', `Error writing file './n8n/t.frm' (Errcode: 28 "No space left on device")`],
  [3, 'EE_WRITE', `Error writing file '/tmp/MYabc' (OS errno 28 - No space left on device)`],
  [1005, 'ER_CANT_CREATE_TABLE', 'Can\'t create table `n8n`.`t` (errno: 28 "No space left on device")'],
  [1005, 'ER_CANT_CREATE_TABLE', 'Can\'t create table `n8n`.`t` (errno: 135 "No more room in record file")'],
  [1021, 'ER_DISK_FULL', `Disk full (/tmp/#sql_1); waiting for someone to free some space... (errno: 28)`],
  [1030, 'ER_GET_ERRNO', `Got error 28 "No space left on device" from storage engine InnoDB`],
  [1114, 'ER_RECORD_FILE_FULL', `The table 't' is full`],
])("MySQL's error %d (%s) is a full disk: %s", (errno, code, text) => {
  expect(isDiskFull(new Error('around it', { cause: mysql(errno, code, text) }))).toBe(true);
});

test.each([
  [1005, 'ER_CANT_CREATE_TABLE', 'Can\'t create table `n8n`.`t` (errno: 13 "Permission denied")'],
  [1062, 'ER_DUP_ENTRY', `Duplicate entry 'error 28' for key 'PRIMARY'`],
])("MySQL's error %d (%s) is not a full disk: %s", (errno, code, text) => {
  expect(isDiskFull(mysql(errno, code, text))).toBe(false);
});

test.each([1101, 1105, 5149, 9002])("SQL Server's error %d is a full disk", (number) => {
  const error = cleaned(Object.assign(new Error('no room'), { code: 'EREQUEST', number }));
  expect(isDiskFull(new Error('around it', { cause: error }))).toBe(true);
});
