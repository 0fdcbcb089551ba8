import { type Fields, Leaf, type Node, Raw } from './document.ts';
import type { House } from './house.ts';

/** The most numerous documents: each release keeps a frozen copy of its project's documents. */

export interface Wanted {
  readonly variables: number;
  /** The release whose frozen snapshot this is; without one it is the live document. */
  readonly release?: number;
}

function variable({ sealer }: House, number: number): Fields {
  const { random } = sealer;
  const head = { Id: random.bytes(16).toString('hex'), Name: `Project.Setting[${number}].Value` };
  const scope = random.once(3) ? { Environment: [`Environments-${random.below(4)}`], Role: ['web'] } : {};
  if (random.once(3))
    return { ...head, Value: sealer.secret(), Type: 'Sensitive', IsSensitive: true, Scope: scope };
  // Older rows know no types.
  if (random.once(4))
    return { ...head, Value: sealer.secret(), IsSensitive: true, IsEditable: true, Scope: scope };
  if (random.once(12)) return { ...head, Value: null, Type: 'Sensitive', Scope: scope };
  const value = random.pick<Node>([
    '#{Project.Base}/x|y',
    'http://*:80/',
    new Raw('"caf\\u00e9 \\/"'),
    '',
    'true',
  ]);
  return { ...head, Value: random.once(8) ? new Leaf('plain', 'not secret at all') : value, Scope: scope };
}

function idOf(kind: string, project: number, release: number | undefined, code: () => string): string {
  return `${kind}-Projects-${project}${release === undefined ? '' : `-s-${release}-${code()}`}`;
}

export function variableSet(house: House, project: number, wanted: Wanted): void {
  const code = () => house.sealer.random.code(5);
  const list = Array.from({ length: wanted.variables }, (_, number) => variable(house, number));
  house.add('VariableSet', idOf('variableset', project, wanted.release, code), {
    OwnerId: `Projects-${project}`,
    Version: wanted.release ?? 99,
    IsFrozen: wanted.release !== undefined,
    RelatedDocumentIds: '|Environments-1|Environments-2|',
    SpaceId: 'Spaces-1',
    JSON: { document: { Variables: list } },
  });
}

export function deploymentProcess(house: House, project: number, release?: number): void {
  const { sealer } = house;
  const action = (number: number): Node => ({
    Id: sealer.random.bytes(16).toString('hex'),
    Name: `Run step ${number}`,
    ActionType: 'Octopus.Script',
    Properties: {
      'Octopus.Action.RunOnServer': 'true',
      'Octopus.Action.Script.ScriptBody': 'Get-Content a.txt | Out-Null\r\n"done" > b\\c',
      'Octopus.Action.Script.Password': sealer.secret(),
      // How a sensitive property is stored is not documented, so both ways occur here.
      'Octopus.Action.Azure.Certificate/Key~1': { IsSensitive: true, SensitiveValue: sealer.secret() },
      'Octopus.Action.Timeout': new Raw('1.50'),
    },
    Channels: [],
  });
  const document = { Steps: [1, 2].map((step) => ({ Name: `Step ${step}`, Actions: [action(step)] })) };
  const blob = !sealer.random.once(4);
  house.add(
    'DeploymentProcess',
    idOf('deploymentprocess', project, release, () => sealer.random.code(5)),
    {
      OwnerId: `Projects-${project}`,
      IsFrozen: release !== undefined,
      Version: release ?? 40,
      JSON: blob ? null : { document },
      JSONBlob: blob ? { document, gzip: true } : null,
    },
  );
}

export function tenantVariable(house: House, project: number): void {
  for (const tenant of [1, 2]) {
    const blob = tenant === 1;
    const document = {
      TemplateId: 'b1f4',
      Value: { IsSensitive: true, SensitiveValue: house.sealer.secret() },
    };
    house.add('TenantVariable', `TenantVariables-${project}-${tenant}`, {
      TenantId: `Tenants-${tenant}`,
      OwnerId: `Projects-${project}`,
      JSON: blob ? null : { document },
      JSONBlob: blob ? { document, gzip: true } : null,
    });
  }
}
