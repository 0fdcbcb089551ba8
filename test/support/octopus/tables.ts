/** The tables of an Octopus database, for every engine. */

/** id: nvarchar of the table's length. name: short text. version: moves by itself when its row is updated. */
export type ColumnType = 'id' | 'name' | 'integer' | 'bit' | 'time' | 'text' | 'bytes' | 'version';

export interface Table {
  readonly name: string;
  /** The primary key; null: neither that nor any unique index. */
  readonly id: string | null;
  readonly idLength: number;
  readonly columns: Readonly<Record<string, ColumnType>>;
}

function table(
  name: string,
  idLength: number,
  columns: Readonly<Record<string, ColumnType>>,
  document: readonly ('JSON' | 'JSONBlob' | 'DataVersion')[] = ['JSON'],
): Table {
  const types = { JSON: 'text', JSONBlob: 'bytes', DataVersion: 'version' } as const;
  const last = Object.fromEntries(document.map((column) => [column, types[column]]));
  return { name, id: 'Id', idLength, columns: { Id: 'id', ...columns, ...last } };
}

const both = ['JSON', 'JSONBlob'] as const;
const versioned = ['JSON', 'DataVersion'] as const;

export const tables: readonly Table[] = [
  table('VariableSet', 150, {
    OwnerId: 'name',
    Version: 'integer',
    IsFrozen: 'bit',
    RelatedDocumentIds: 'text',
    SpaceId: 'name',
  }),
  table('DeploymentProcess', 150, { OwnerId: 'name', IsFrozen: 'bit', Version: 'integer' }, both),
  table('Account', 210, { Name: 'name', AccountType: 'name', EnvironmentIds: 'text' }),
  table(
    'Certificate',
    210,
    { Name: 'name', Thumbprint: 'name', NotAfter: 'time', Subject: 'text' },
    versioned,
  ),
  table('Configuration', 50, {}),
  table('ExtensionConfiguration', 50, { Name: 'name', ExtensionAuthor: 'name' }),
  table('Feed', 210, { Name: 'name', FeedUri: 'text' }, versioned),
  table('Machine', 50, { Name: 'name', IsDisabled: 'bit' }, [...both, 'DataVersion']),
  table('Worker', 50, { Name: 'name', IsDisabled: 'bit' }, versioned),
  table('TenantVariable', 50, { TenantId: 'name', OwnerId: 'name' }, both),
  table('ActionTemplate', 50, { Name: 'name', Version: 'integer' }),
  table('ActionTemplateVersion', 50, { Name: 'name', Version: 'integer', LatestActionTemplateId: 'name' }),
  table('Proxy', 50, { Name: 'name' }),
  table('Subscription', 50, { Name: 'name', Type: 'name', IsDisabled: 'bit' }),
  table('LibraryVariableSet', 50, { Name: 'name', VariableSetId: 'name', ContentType: 'name' }),
  table('Project', 50, { Name: 'name', Slug: 'name', VariableSetId: 'name' }, [...both, 'DataVersion']),
  table('User', 50, { Username: 'name', IsActive: 'bit' }),
  table('ApiKey', 50, { UserId: 'name', ApiKeyHashed: 'name', Created: 'time' }),
  table('OctopusServerNode', 250, {
    Name: 'name',
    LastSeen: 'time',
    Rank: 'name',
    IsInMaintenanceMode: 'bit',
  }),
  table('License', 50, {}),
  {
    name: 'SchemaVersions',
    id: 'Id',
    idLength: 0,
    columns: { Id: 'integer', ScriptName: 'text', Applied: 'time' },
  },
  // One secret stream, and one binary column that holds none.
  table('Blob', 50, { Name: 'name', Length: 'integer', Data: 'bytes', Preview: 'bytes' }, ['DataVersion']),
  // From a future version: not in any list of document types.
  table('ExtensionStore2027', 50, { Owner: 'name', Payload: 'text', Token: 'text' }, []),
  {
    name: 'ServerLog',
    id: null,
    idLength: 0,
    columns: { Occurred: 'time', Category: 'name', MessageText: 'text' },
  },
];
