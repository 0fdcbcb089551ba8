import { spawn } from 'node:child_process';

export const hookEvents = ['start', 'pause', 'exception', 'end'] as const;
export type HookEvent = (typeof hookEvents)[number];

export interface Hook {
  readonly event: HookEvent;
  /** Run by the shell. */
  readonly command: string;
}

/** The variables KEYTURN_<name> of a hook; never a key. */
export type HookFacts = Readonly<Record<string, string | number>>;

export interface HookSite {
  readonly hooks: readonly Hook[];
  readonly timeoutMs: number;
  /** The environment of this process. Its KEYTURN_ variables, which can contain keys and passwords, are not passed on. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly folder: string;
  /** Prints a line of output of a hook. */
  readonly say: (line: string) => void;
  readonly warn: (text: string) => void;
}

/** Commands of the user that run on events. The run continues whatever happens to them. */
export class Hooks {
  readonly #site: HookSite;
  readonly #running = new Set<Promise<void>>();

  constructor(site: HookSite) {
    this.#site = site;
  }

  /** Runs the commands of the event one after the other. Never throws. */
  async fire(event: HookEvent, facts: HookFacts): Promise<void> {
    const work = this.#run(event, facts);
    this.#running.add(work);
    await work;
    this.#running.delete(work);
  }

  /** Resolves when no hook is running. */
  async settled(): Promise<void> {
    await Promise.all(this.#running);
  }

  async #run(event: HookEvent, facts: HookFacts): Promise<void> {
    for (const hook of this.#site.hooks) {
      if (hook.event !== event) continue;
      const failure = await this.#execute(hook, { event, ...facts });
      if (failure !== null) this.#site.warn(`the ${event} hook ${failure}`);
    }
  }

  /** Resolves with null if it succeeds. */
  #execute({ event, command }: Hook, facts: HookFacts): Promise<string | null> {
    const { timeoutMs, folder, say } = this.#site;
    return new Promise((resolve) => {
      // Its own process group, so that a timeout also kills the processes that the shell has started.
      const child = spawn(command, {
        shell: true,
        cwd: folder,
        env: environmentOf(this.#site.environment, facts),
        stdio: ['ignore', 'pipe', 'pipe'],
        detached: process.platform !== 'win32',
      });
      const timer = setTimeout(() => {
        kill(child.pid);
        resolve(`took longer than ${timeoutMs / 1000} s and was killed`);
      }, timeoutMs);
      const close = (failure: string | null): void => {
        clearTimeout(timer);
        resolve(failure);
      };
      for (const stream of [child.stdout, child.stderr]) {
        lines(stream, (line) => say(`${event} hook: ${line}`));
      }
      child.once('error', (error: NodeJS.ErrnoException) => close(`could not be started: ${error.code}`));
      child.once('exit', (code, signal) =>
        close(code === 0 ? null : `failed (${signal === null ? `exit code ${code}` : signal})`),
      );
    });
  }
}

function environmentOf(
  environment: HookSite['environment'],
  facts: HookFacts,
): Record<string, string | undefined> {
  const kept = Object.entries(environment).filter(([name]) => !/^KEYTURN_/i.test(name));
  const own = Object.entries(facts).map(([name, value]) => [`KEYTURN_${name.toUpperCase()}`, String(value)]);
  return Object.fromEntries([...kept, ...own]);
}

function kill(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(process.platform === 'win32' ? pid : -pid, 'SIGKILL');
  } catch {
    // It has ended in the meantime.
  }
}

function lines(stream: NodeJS.ReadableStream, say: (line: string) => void): void {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (text: string) => {
    const parts = (rest + text).split('\n');
    rest = (parts.pop() ?? '').slice(0, 10_000);
    for (const line of parts) say(line);
  });
  stream.on('end', () => {
    if (rest !== '') say(rest);
  });
}
