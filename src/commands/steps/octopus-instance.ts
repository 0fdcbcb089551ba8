import type { KeyShape } from '../../keys/key-shape.ts';
import { type Protection, protectionsOf, thisMachine } from '../../keys/machine-key.ts';
import { type OctopusConfig, readConfig } from '../../keys/octopus-config.ts';
import { findInstance, instancesFolder } from '../../keys/octopus-instances.ts';
import type { Context } from '../command.ts';
import { groups } from '../options/options.ts';
import { jobNamed } from './job-named.ts';

const text = (group: string, describe: string) =>
  ({ type: 'string', requiresArg: true, group, describe }) as const;

export const instanceOptions = {
  instance: text(
    groups.input,
    'name of an instance of Octopus Server on this machine [default: the default instance, or the only one]',
  ),
  config: text(groups.input, "the instance's OctopusServer.config, instead of --instance"),
  'machine-key': text(
    groups.keys,
    `saved machine key of another machine [default: ${thisMachine.machineKey}]`,
  ),
  'machine-id': text(groups.keys, `saved machine id of another machine [default: ${thisMachine.machineId}]`),
} as const;

interface Given {
  readonly instance?: string | undefined;
  readonly config?: string | undefined;
  readonly machineKey?: string | undefined;
  readonly machineId?: string | undefined;
}

/** The configuration of one instance, and what may decrypt the key in it. */
export interface FoundInstance {
  readonly config: OctopusConfig;
  readonly protections: readonly Protection[];
  readonly shape: KeyShape;
}

/** @throws KeyturnError `instance-unknown`, `config-unreadable` */
export function openInstance({ environment }: Context, args: Given): FoundInstance {
  const path = args.config ?? findInstance(instancesFolder(environment.ProgramData), args.instance).config;
  return {
    config: readConfig(path),
    protections: protectionsOf(machineFiles(args)),
    shape: jobNamed('octopus').file.key,
  };
}

/** The files of another machine never go together with those of this one. */
function machineFiles({ machineKey, machineId }: Given) {
  if (machineKey === undefined && machineId === undefined) return thisMachine;
  return { machineKey, machineId };
}
