/**
 * The element with this id, in the class that the script needs.
 * @throws TypeError for a page without it: page and script belong together
 */
export function element<Kind extends Element>(id: string, kind: abstract new () => Kind): Kind {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new TypeError(`the page has no ${kind.name} with the id ${id}`);
  return found;
}
