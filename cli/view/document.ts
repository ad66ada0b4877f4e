import { stringify, Document, visit, type Scalar } from 'yaml';
import { isPlain, printableDocument } from './terminal-text.ts';

export const outputFormats = ['text', 'json', 'yaml'] as const;
export type OutputFormat = (typeof outputFormats)[number];

/**
 * A value as a JSON or YAML document that ends with a line end. Readers get every text as it was; a terminal gets no
 * control character of it.
 */
export function documentText(value: unknown, format: 'json' | 'yaml'): string {
  if (format === 'json') return `${printableDocument(JSON.stringify(value, undefined, 2))}\n`;
  return printableDocument(yamlText(value));
}

/** A value as one line of JSON, for streams of values. In YAML, a document of its own. */
export function streamedText(value: unknown, format: 'json' | 'yaml'): string {
  return format === 'json' ? `${printableDocument(JSON.stringify(value))}\n` : `---\n${printableDocument(yamlText(value))}`;
}

/** Texts with unusual characters stand in double quotes, in which the escapes of JSON are valid. */
function yamlText(value: unknown): string {
  const document = new Document(JSON.parse(JSON.stringify(value)));
  visit(document, {
    Scalar(_key, node: Scalar) {
      if (typeof node.value === 'string' && !isPlain(node.value)) node.type = 'QUOTE_DOUBLE';
    },
  });
  return stringify(document, { lineWidth: 0 });
}
