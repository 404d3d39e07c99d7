// What is chosen: some items by their names, or all that is shown but for some. However many that is, a request says it
// in few words. Nothing here changes what it is given.

/** @typedef {{all: boolean, names: Set<string>}} Chosen Names are chosen; of all, they are left out. */

/** @type {Chosen} */
export const NONE = { all: false, names: new Set() };
/** @type {Chosen} */
export const ALL = { all: true, names: new Set() };
/** Names that are chosen one by one, or as a range, at most: they go with each request. */
export const MOST = 20_000;

/** @param {Chosen} chosen @param {string} name */
export const has = (chosen, name) => chosen.all !== chosen.names.has(name);

/** @param {Chosen} chosen @param {{rows: number}} view */
export const countOf = (chosen, view) => (chosen.all ? Math.max(0, view.rows - chosen.names.size) : chosen.names.size);

/** Another one in which a name is, where it was not, and the other way round. @param {Chosen} chosen @param {string} name */
export function flipped(chosen, name) {
  const names = new Set(chosen.names);
  if (!names.delete(name)) names.add(name);
  return { ...chosen, names };
}

/** Another one in which all these are. @param {Chosen} chosen @param {string[]} more */
export function joined(chosen, more) {
  const names = new Set(chosen.names);
  for (const name of more) names[chosen.all ? "delete" : "add"](name);
  return { ...chosen, names };
}

/** What a request says. @param {Chosen} chosen @param {{view: number}} view @returns {Record<string, any>} */
export const asked = (chosen, view) => (chosen.all ? { view: view.view, but: [...chosen.names] } : { names: [...chosen.names] });
