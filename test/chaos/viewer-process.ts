import { Viewer } from './viewer.ts';
import type { Collected, ViewerAnswers, ViewerQuestion } from './viewer-messages.ts';
import type { Absence, Journal } from './record.ts';

/** A process of viewers: it is told by messages what to do, and ends with its parent. */
const viewers = new Map<string, Viewer>();
/** Of viewers that left since the last collection. */
let left: { journals: Journal[]; absences: Absence[] } = { journals: [], absences: [] };

async function answerTo(question: ViewerQuestion): Promise<ViewerAnswers[ViewerQuestion['op']]> {
  switch (question.op) {
    case 'add':
      for (const wish of question.viewers) viewers.set(wish.name, new Viewer(wish));
      return undefined;
    case 'remove':
      for (const name of question.names) {
        const viewer = viewers.get(name);
        if (viewer === undefined) continue;
        viewer.close();
        left.journals.push(...viewer.journals(false));
        left.absences.push(...viewer.absences());
        viewers.delete(name);
      }
      return undefined;
    case 'states':
      return [...viewers.values()].map(({ state }) => state);
    case 'counts':
      return await [...viewers.values()].find(({ isMember }) => isMember)?.counts(question.channel);
    case 'collect':
      return collect();
  }
}

function collect(): Collected {
  const all = [...viewers.values()];
  const journals = [...left.journals, ...all.flatMap((viewer) => viewer.journals())];
  const absences = [...left.absences, ...all.flatMap((viewer) => viewer.absences())];
  left = { journals: [], absences: [] };
  const entries = journals.flatMap((journal) => journal.entries);
  const publications = entries.reduce((sum, entry) => sum + (entry.kind === 'batch' ? entry.items.length : 0), 0);
  return { journals, absences, publications, gaps: entries.filter(({ kind }) => kind === 'gap').length };
}

process.on('message', ({ id, question }: { readonly id: number; readonly question: ViewerQuestion }) => {
  void answerTo(question).then((answer) => process.send?.({ id, answer }));
});
process.on('disconnect', () => process.exit(0));
