/** The rows of the tables of a document that say by which test each line is shown, but their heads, by cell. */
export function shownRows(document: string): readonly (readonly string[])[] {
  return document
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.includes('shown by'))
    .map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    );
}
