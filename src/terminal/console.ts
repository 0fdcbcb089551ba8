import { confirm, isCancel, password } from '@clack/prompts';
import { KeyturnError } from '../error.ts';
import { ProgressBars } from './progress-bars.ts';
import { ProgressLines } from './progress-lines.ts';
import type { ProgressView } from './progress-view.ts';
import type { Terminal } from './terminal.ts';

export interface Streams {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

/** The terminal that the process was started on. */
export class Console implements Terminal {
  readonly interactive: boolean;
  readonly drawing: boolean;
  readonly #streams: Streams;
  readonly #unicode: boolean;
  /** Lines of the screen that the last drawing took. */
  #drawn = 0;

  /** @param unicode whether the terminal shows more than ASCII. */
  constructor(streams: Streams, unicode: boolean) {
    this.#streams = streams;
    this.#unicode = unicode;
    this.drawing = Boolean(streams.stdout.isTTY);
    this.interactive = Boolean(streams.stdin.isTTY && streams.stderr.isTTY);
  }

  out(text: string): void {
    this.#streams.stdout.write(text);
  }

  redraw(text: string): void {
    const { stdout } = this.#streams;
    const columns = stdout.columns || 80;
    if (this.drawing && this.#drawn > 0) stdout.write(`\u001b[${this.#drawn}A\u001b[0J`);
    stdout.write(text);
    const lines = text.replace(/\n$/, '').split('\n');
    this.#drawn = lines.reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / columns)), 0);
  }

  say(line: string): void {
    this.#streams.stderr.write(`${line}\n`);
  }

  async confirm(question: string): Promise<boolean> {
    const { stdin: input, stderr: output } = this.#streams;
    const answer = await confirm({ message: question, initialValue: false, input, output });
    if (isCancel(answer)) throw leftAlone();
    return answer;
  }

  async askSecret(question: string): Promise<string> {
    const { stdin: input, stderr: output } = this.#streams;
    const answer = await password({ message: question, input, output });
    if (isCancel(answer)) throw leftAlone();
    return answer ?? '';
  }

  async readInput(): Promise<string> {
    const parts: Buffer[] = [];
    for await (const part of this.#streams.stdin) parts.push(Buffer.from(part));
    return Buffer.concat(parts).toString('utf8');
  }

  progress(): ProgressView {
    const { stderr } = this.#streams;
    return stderr.isTTY
      ? new ProgressBars(stderr, this.#unicode)
      : new ProgressLines((line) => this.say(line));
  }
}

function leftAlone(): KeyturnError {
  return new KeyturnError('stopped', 'stopped before anything was touched');
}
