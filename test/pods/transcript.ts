import { readFileSync, writeFileSync } from 'node:fs';
import type { Surroundings } from '../kubernetes/conditions/observation.ts';

const path = new URL('../../docs/operator-transcript.md', import.meta.url);

/** Whether this run is to write the documented transcript anew. */
export const recordedTranscript = process.env['BARRAGE_TEST_RECORD'] === 'transcript';

const preface = `# What kubectl shows

Commands and answers as they were when the tests last recorded them, on a real node (\`BARRAGE_TEST_RECORD=transcript npx vitest run test/pods/conditions.test.ts\`). The test compares the documented
shape with that of each run. [operator.md](operator.md) says what each condition and event means. The pool is the ten-line one of that page with a short drain (\`propagationSeconds: 1\`, \`deadlineSeconds: 30\`), in a namespace \`shows\` where no Redis runs at first.
`;

/** Commands of a user and what they printed, as a page. */
export class Transcript {
  readonly #at: Surroundings;
  #text = preface;

  constructor(at: Surroundings) {
    this.#at = at;
  }

  get text(): string {
    return this.#text;
  }

  /** @param command what is to be typed after `kubectl` */
  async run(heading: string, command: string): Promise<void> {
    const printed = await this.#at.kubectl(...command.split(' '));
    const lines = printed.replaceAll(this.#at.namespace, 'shows').trimEnd().split('\n');
    const body = lines.map((line) => line.trimEnd()).join('\n');
    this.#text += `\n## ${heading}\n\n\`\`\`console\n$ kubectl ${command}\n${body}\n\`\`\`\n`;
  }
}

export function storedTranscript(): string {
  return readFileSync(path, 'utf8');
}

export function storeTranscript(text: string): void {
  writeFileSync(path, text);
}

/**
 * The lines of a transcript without what differs from run to run: numbers, times, hashes, addresses, widths of columns.
 * Of events, which come in any order and number, nothing but their heading is compared.
 */
export function shapeOf(transcript: string): readonly string[] {
  const withoutEvents = transcript.replaceAll(/(^Events:)[^]*?(?=^```$)/gm, '$1\n');
  return withoutEvents.split('\n').map((line) =>
    line
      .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
      .replaceAll(/\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, 'UID')
      .replaceAll(/\blive-(?:publisher-[0-9a-z]+-[0-9a-z]{5}|[0-9a-f]{5}-\d+)\b/g, 'POD')
      .replaceAll(/(?<=Revision: +)[0-9a-f]{10}\b|\b(?=[0-9a-f]*\d)[0-9a-f]{10}\b/g, 'REVISION')
      .replaceAll(/getaddrinfo \w+/g, 'getaddrinfo WORD')
      .replaceAll(/\b\d+m?\d*s?\b/g, 'N')
      .replaceAll(/-{2,}/g, '--')
      .replaceAll(/\s+/g, ' '),
  );
}
