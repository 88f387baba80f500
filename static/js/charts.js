// Makes a chart one stop of the Tab key: arrow keys, Home and End go along its bars, each of them a link.
// The bar that is reached is told in words below the chart too. Without this script each bar is a stop.
(() => {
  "use strict";
  const STEPS = {
    ArrowLeft: (at) => at - 1,
    ArrowRight: (at) => at + 1,
    Home: () => 0,
    End: (at, last) => last,
  };

  for (const chart of document.querySelectorAll(".chart__figure:has(.chart__reading)")) {
    const plot = chart.querySelector(".chart__plot");
    const drawing = plot.querySelector(".chart__drawing");
    const bars = [...drawing.querySelectorAll("a")];
    const reading = chart.querySelector(".chart__reading");
    const stopAt = (chosen) => bars.forEach((bar) => bar.setAttribute("tabindex", bar === chosen ? "0" : "-1"));

    // Screen readers leave arrow keys to a toolbar.
    drawing.setAttribute("role", "toolbar");
    drawing.setAttribute("aria-describedby", reading.querySelector(".chart__keys").id);
    chart.querySelector(".chart__skip").hidden = true;
    stopAt(bars[0]);

    // Of the plot, as Chromium makes a drawing that listens to focus a stop of its own.
    plot.addEventListener("keydown", (event) => {
      const step = STEPS[event.key];
      if (!step || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      bars[step(bars.indexOf(event.target.closest("a")), bars.length - 1)]?.focus();
    });
    plot.addEventListener("focusin", (event) => {
      const bar = event.target.closest("a");
      stopAt(bar);
      reading.querySelector("strong").textContent = bar.getAttribute("aria-label");
      reading.hidden = !bar.matches(":focus-visible");
      reading.scrollIntoView({ block: "nearest" });
    });
    plot.addEventListener("focusout", () => { reading.hidden = true; });
  }
})();
