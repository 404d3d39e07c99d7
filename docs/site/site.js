// What scrolls can be reached with the keyboard, and the search has a name; the theme makes some of it by itself.
document$.subscribe(() => setTimeout(() => {
  for (const part of document.querySelectorAll("pre > code, .md-typeset__scrollwrap")) part.tabIndex = 0;
  document.querySelector(".md-search")?.setAttribute("aria-label", "Search");
}));
