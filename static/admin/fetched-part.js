// A part of a page that is fetched into it says when it could not be had, in place of being awaited for ever.

for (const part of document.querySelectorAll("[data-fetched-part]")) {
  const isOurs = (event) => event.target === part;
  const show = (hasFailed) => {
    part.setAttribute("aria-busy", !hasFailed);
    part.querySelector("[role=alert] > *").hidden = !hasFailed;
  };
  part.addEventListener("htmx:beforeRequest", (event) => isOurs(event) && show(false));
  for (const failure of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
    part.addEventListener(failure, (event) => isOurs(event) && show(true));
  }
}
