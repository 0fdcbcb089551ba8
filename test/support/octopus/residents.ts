import { certificates } from './certificate.ts';
import { type Fields, Leaf, type Node, Raw } from './document.ts';
import type { House } from './house.ts';
import { deploymentProcess, tenantVariable, variableSet } from './snapshots.ts';

/** The rows that every Octopus database has. */

const plain = (text: string): Leaf => new Leaf('plain', text);
const when = (date: Date): string => date.toISOString().replace('T', ' ').replace('Z', '');
const created = '2024-05-17 09:30:00.123456';

export interface ServerCertificate {
  readonly table: 'Configuration' | 'Certificate';
  readonly plaintext: 'bytes' | 'base64';
}

export function settle(house: House, server: ServerCertificate, projects: number): void {
  for (let project = 1; project <= projects; project++) {
    variableSet(house, project, { variables: project <= 2 ? 240 : 10 + project });
    deploymentProcess(house, project);
    tenantVariable(house, project);
    const slug = `project-${project}`;
    const blob = project % 3 !== 0;
    const document = {
      Description: new Raw('"built nightly \\u2014 don\\u0027t touch\\/edit"'),
      PersistenceSettings: {
        Type: 'VersionControlled',
        Url: 'https://git.example.com/shop.git',
        Credentials: { Type: 'UsernamePassword', Username: 'octo', Password: house.sealer.secret() },
      },
      Revision: new Raw('9007199254740993'),
    };
    house.add('Project', `Projects-${project}`, {
      Name: `Project ${project}`,
      Slug: slug,
      VariableSetId: `variableset-Projects-${project}`,
      JSON: blob ? null : { document },
      JSONBlob: blob ? { document, gzip: true } : null,
    });
  }
  accounts(house);
  certificatesOf(house, server);
  configuration(house);
  infrastructure(house);
  templates(house);
  people(house);
  blobs(house);
}

function accounts({ sealer, add }: House): void {
  const types: readonly (readonly [string, () => Fields])[] = [
    ['UsernamePassword', () => ({ Username: 'deploy', Password: sealer.secret() })],
    ['AmazonWebServicesAccount', () => ({ AccessKey: 'AKIAEXAMPLE', SecretKey: sealer.secret() })],
    ['AzureServicePrincipal', () => ({ ClientId: 'c0ffee', Password: sealer.secret(), Resource: null })],
    ['SshKeyPair', () => ({ PrivateKeyFile: sealer.secret(), PrivateKeyPassphrase: sealer.secret('') })],
    ['Token', () => ({ Token: sealer.secret() })],
    ['GoogleCloudAccount', () => ({ JsonKey: sealer.secret('{"type":"service_account"}') })],
  ];
  for (let number = 0; number < 18; number++) {
    const [type, fields] = types[number % types.length]!;
    add('Account', `Accounts-${number + 1}`, {
      Name: `Account ${number}`,
      AccountType: type,
      EnvironmentIds: '|Environments-1|Environments-2|',
      JSON: { document: { Description: '', ...fields(), TenantTags: [] } },
    });
  }
}

function certificatesOf({ sealer, add }: House, server: ServerCertificate): void {
  const { server: own, uploaded } = certificates();
  for (let number = 1; number <= 6; number++) {
    add('Certificate', `Certificates-${number}`, {
      Name: `Certificate ${number}`,
      Thumbprint: plain(uploaded.thumbprint),
      NotAfter: when(uploaded.notAfter),
      Subject: uploaded.subject,
      JSON: {
        document: {
          CertificateDataFormat: 'Pkcs12',
          CertificateData: sealer.secret(number % 2 ? uploaded.pfx : uploaded.pfx.toString('base64')),
          Password: number % 3 ? sealer.secret('') : null,
          HasPrivateKey: true,
        },
      },
    });
  }
  const pfx = server.plaintext === 'bytes' ? own.pfx : own.pfx.toString('base64');
  const document: Node = {
    CertificatePfx: sealer.secret(pfx),
    Thumbprint: plain(own.thumbprint),
    Subject: own.subject,
  };
  const columns = {
    Name: 'Octopus Portal',
    Thumbprint: plain(own.thumbprint),
    NotAfter: when(own.notAfter),
    Subject: own.subject,
  };
  add(server.table, 'certificate-global', {
    ...(server.table === 'Certificate' ? columns : {}),
    JSON: { document },
  });
}

function configuration({ sealer, add }: House): void {
  const secret = () => sealer.secret();
  add('Configuration', 'smtp', {
    JSON: {
      document: { SmtpHost: 'mail.example.com', SmtpPort: 587, SmtpPassword: secret(), EnableSsl: true },
    },
  });
  add('Configuration', 'maintenance', { JSON: { document: { IsInMaintenanceMode: false } } });
  for (const [id, name, fields] of [
    ['authentication-ldap', 'LDAP', { Server: 'ldap.example.com', Port: 636, Password: secret() }],
    [
      'authentication-od',
      'Okta',
      { Issuer: 'https://okta', ClientSecret: secret(), RoleClaimType: 'groups' },
    ],
    [
      'jira-integration',
      'Jira',
      { Jira: { Password: secret(), ReleaseNoteOptions: { Password: secret() } } },
    ],
    [
      'servicenow-integration',
      'ServiceNow',
      { Connections: [{ OAuthClientSecret: secret(), Password: secret() }] },
    ],
    ['issuetracker-github', 'GitHub', { Password: secret(), BaseUrl: 'https://github.com' }],
    [
      'azuredevops',
      'Azure DevOps',
      { Connections: [{ PersonalAccessToken: secret() }, secret(), [secret()]] },
    ],
  ] as const) {
    add('ExtensionConfiguration', id, {
      Name: name,
      ExtensionAuthor: 'Octopus Deploy',
      JSON: { document: fields },
    });
  }
}

function infrastructure({ sealer, add }: House): void {
  for (let number = 1; number <= 10; number++) {
    const thumbprint = sealer.random.bytes(20).toString('hex').toUpperCase();
    add('Feed', `Feeds-${number}`, {
      Name: `Feed ${number}`,
      FeedUri: 'https://nuget.example.com/v3/index.json',
      JSON: {
        document: { FeedType: 'NuGet', Username: 'ci', Password: number % 4 ? sealer.secret() : null },
      },
    });
    const offline = number % 3 === 0;
    const document = {
      Roles: ['web', 'db'],
      Endpoint: offline
        ? { CommunicationStyle: 'OfflineDrop', SensitiveVariablesEncryptionPassword: sealer.secret() }
        : { CommunicationStyle: 'TentaclePassive', Thumbprint: plain(thumbprint), ProxyId: null },
    };
    add('Machine', `Machines-${number}`, {
      Name: `web-${number}`,
      IsDisabled: false,
      JSON: number % 2 ? { document } : null,
      JSONBlob: number % 2 ? null : { document, gzip: true },
    });
    add('Worker', `Workers-${number}`, {
      Name: `worker-${number}`,
      IsDisabled: number % 5 === 0,
      JSON: { document: { Endpoint: { CommunicationStyle: 'None', Thumbprint: thumbprint } } },
    });
  }
  for (let number = 1; number <= 3; number++) {
    const password = sealer.secret();
    add('Proxy', `Proxies-${number}`, {
      Name: `proxy ${number}`,
      JSON: { document: { Host: '10.0.0.1', Port: 3128, Username: 'p', Password: password } },
    });
    add('Subscription', `Subscriptions-${number}`, {
      Name: `hook ${number}`,
      Type: 'Event',
      IsDisabled: false,
      JSON: {
        document: {
          WebhookURI: 'https://hook',
          WebhookHeaderKey: 'X-Key',
          WebhookHeaderValue: sealer.secret(),
        },
      },
    });
  }
}

function templates({ sealer, add }: House): void {
  for (let number = 1; number <= 5; number++) {
    const parameters = () => ({
      ActionType: 'Octopus.Script',
      Parameters: [
        {
          Name: 'Token',
          DefaultValue: sealer.secret(),
          DisplaySettings: { 'Octopus.ControlType': 'Sensitive' },
        },
        { Name: 'Path', DefaultValue: 'C:\\apps\\a|b', DisplaySettings: {} },
      ],
    });
    add('ActionTemplate', `ActionTemplates-${number}`, {
      Name: `template ${number}`,
      Version: 2,
      JSON: { document: parameters() },
    });
    for (const version of [0, 1, 2]) {
      add('ActionTemplateVersion', `ActionTemplates-${number}-v${version}`, {
        Name: `template ${number}`,
        Version: version,
        LatestActionTemplateId: `ActionTemplates-${number}`,
        JSON: { document: parameters() },
      });
    }
    add('LibraryVariableSet', `LibraryVariableSets-${number}`, {
      Name: `library ${number}`,
      VariableSetId: `variableset-LibraryVariableSets-${number}`,
      ContentType: 'Variables',
      JSON: { document: { Templates: [{ Name: 'Key', DefaultValue: { SensitiveValue: sealer.secret() } }] } },
    });
  }
}

function people({ sealer, add }: House): void {
  for (let number = 1; number <= 12; number++) {
    add('User', `Users-${number}`, {
      Username: `user${number}`,
      IsActive: true,
      JSON: {
        document: {
          DisplayName: 'Zoë 🐙',
          EmailAddress: `user${number}@example.com`,
          PasswordHashed: sealer.hash(),
          ApiKeys: [{ ApiKeyHashed: sealer.hash() }],
        },
      },
    });
    add('ApiKey', `apikeys-${number}`, {
      UserId: `Users-${number}`,
      ApiKeyHashed: sealer.hash(),
      Created: created,
      JSON: { document: { Purpose: 'TeamCity', Expires: null } },
    });
  }
  for (const node of ['octo-a', 'octo-b']) {
    add('OctopusServerNode', `OctopusServerNodes-${node}`, {
      Name: node,
      LastSeen: created,
      Rank: node === 'octo-a' ? 'Leader' : 'Follower',
      IsInMaintenanceMode: false,
      JSON: { document: { MaxConcurrentTasks: 5 } },
    });
  }
  add('License', 'licenses-current', {
    JSON: { document: { LicenseText: '<License Signature="a|b=="><Name>Example</Name></License>' } },
  });
  for (let script = 1; script <= 40; script++) {
    add('SchemaVersions', null, {
      Id: script,
      ScriptName: `Octopus.Core.UpgradeScripts.Script${String(script).padStart(4, '0')} - Create.sql`,
      Applied: created,
    });
  }
}

/** Enough rows to tell a column of ciphertexts from one that decrypts by chance. */
function blobs(house: House): void {
  const { sealer, add } = house;
  const png = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex');
  for (let number = 1; number <= 40; number++) {
    const id = `Blobs-${number}`;
    const content = number === 7 ? Buffer.alloc(0) : sealer.random.bytes(1 + sealer.random.below(3_000));
    // Some are of a ciphertext's size, and some even without a head to know them by.
    const noise = sealer.random.bytes(number % 2 ? 16 * (2 + (number % 5)) : 33 + number);
    add('Blob', id, {
      Name: `attachment-${number}.bin`,
      Length: content.length,
      Data: number === 11 ? null : { stream: content },
      Preview: number % 4 === 0 ? null : number % 3 === 0 ? noise : Buffer.concat([png, noise]),
    });
    if (number % 4) house.name('Blob', id, 'Preview', 'plain', 'a binary column without ciphertext');
  }
}
