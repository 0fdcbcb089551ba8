import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { KeyturnError } from '../error.ts';

/** Octopus Server's own index of its instances: one JSON file each. */
export interface OctopusInstance {
  readonly name: string;
  readonly config: string;
}

const defaultName = 'OctopusServer';

/** Where the index is. @param programData of Windows */
export function instancesFolder(programData: string | undefined): string {
  return process.platform === 'win32'
    ? join(programData ?? 'C:\\ProgramData', 'Octopus', 'OctopusServer', 'Instances')
    : '/etc/octopus/OctopusServer/Instances';
}

/**
 * The instance with this name, in any case; without a name the default instance, or the only one.
 *
 * @throws KeyturnError `instance-unknown`
 */
export function findInstance(folder: string, name: string | undefined): OctopusInstance {
  const all = instancesIn(folder);
  const wanted = (name ?? defaultName).toLowerCase();
  const found = all.find((each) => each.name.toLowerCase() === wanted);
  if (found !== undefined) return found;
  const [only] = all;
  if (name === undefined && only !== undefined && all.length === 1) return only;
  const names = all.map((each) => each.name).join(', ');
  const which =
    name === undefined
      ? `${folder} has no default instance`
      : `${folder} has no instance ${JSON.stringify(name)}`;
  throw new KeyturnError('instance-unknown', all.length === 0 ? `there is no instance in ${folder}` : which, {
    hint:
      all.length === 0
        ? 'name the OctopusServer.config with --config'
        : `use --instance with one of: ${names}`,
  });
}

function instancesIn(folder: string): OctopusInstance[] {
  let files: string[];
  try {
    files = readdirSync(folder).filter(
      (file) => file.toLowerCase().endsWith('.config') || file.toLowerCase().endsWith('.json'),
    );
  } catch {
    return [];
  }
  return files.sort().flatMap((file) => {
    try {
      const { Name: name, ConfigurationFilePath: config } = JSON.parse(
        readFileSync(join(folder, file), 'utf8'),
      );
      return typeof name === 'string' && typeof config === 'string' ? [{ name, config }] : [];
    } catch {
      return [];
    }
  });
}
