import { remark } from 'remark';
import remarkGfm from 'remark-gfm';

/** A block of code in a document. */
export interface CodeBlock {
  /** Such as `sh`; empty where the document names none. */
  readonly language: string;
  /** What stands behind the language: `before`, `after`, the name of a test vector. */
  readonly words: string;
  readonly code: string;
  /** Line of the document at which it begins, counted from 1. */
  readonly line: number;
  /** The reason that a comment right before it gives why no test runs it: `<!-- not run: … -->`. */
  readonly notRun: string | undefined;
}

interface DocumentNode {
  readonly type: string;
  readonly lang?: string | null | undefined;
  readonly meta?: string | null | undefined;
  readonly value?: string;
  readonly children?: readonly DocumentNode[];
  readonly position?: { readonly start: { readonly line: number } } | undefined;
}

const parser = remark().use(remarkGfm);

/** All blocks of code of a Markdown document, also those in lists, in their order. */
export function codeBlocks(markdown: string): readonly CodeBlock[] {
  const found: CodeBlock[] = [];
  const visit = (node: DocumentNode, before: DocumentNode | undefined): void => {
    if (node.type === 'code')
      found.push({
        language: node.lang ?? '',
        words: node.meta ?? '',
        code: node.value ?? '',
        line: node.position?.start.line ?? 0,
        notRun: before?.type === 'html' ? /^<!-- not run: (.+) -->$/.exec(before.value ?? '')?.[1] : undefined,
      });
    node.children?.forEach((child, index, all) => visit(child, all[index - 1]));
  };
  visit(parser.parse(markdown), undefined);
  return found;
}
