// Returns what is wrong with the layout of the page, and which participants each chart shows.
(() => {
  const faults = [];
  const visible = (box) => box.width > 0 && box.height > 0;
  const name = (element) => JSON.stringify(element.textContent.trim().slice(0, 40));
  const place = (element) => element.closest("figure")?.id ?? document.location.pathname.split("/").pop();

  const rgb = (text) => text.match(/[\d.]+/g).slice(0, 3).map(Number);
  const luminance = (colour) => colour
    .map((value) => value / 255)
    .map((value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    .reduce((sum, value, at) => sum + value * [0.2126, 0.7152, 0.0722][at], 0);
  const contrast = (one, other) => {
    const [low, high] = [luminance(rgb(one)) + 0.05, luminance(rgb(other)) + 0.05].sort((a, b) => a - b);
    return high / low;
  };
  const background = (element) => {
    const card = element.closest("svg")?.querySelector(":scope > .card");
    if (card) return getComputedStyle(card).fill;
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (!colour.endsWith(", 0)") && colour !== "transparent") return colour;
    }
    return "rgb(255, 255, 255)";
  };

  for (const svg of document.querySelectorAll("svg:not(.key)")) {
    const frame = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll("text")].map((text) => [text, text.getBoundingClientRect()]);
    texts.forEach(([text, box], at) => {
      if (!visible(box)) faults.push(`${place(svg)}: ${name(text)} cannot be seen`);
      if (box.left < frame.left - 0.5 || box.right > frame.right + 0.5 || box.top < frame.top - 0.5 || box.bottom > frame.bottom + 0.5) {
        faults.push(`${place(svg)}: ${name(text)} is not inside of its chart`);
      }
      if (parseFloat(getComputedStyle(text).fontSize) * frame.width / svg.viewBox.baseVal.width < 8.5) {
        faults.push(`${place(svg)}: ${name(text)} is too small to read`);
      }
      for (const [other, there] of texts.slice(0, at)) {
        const across = Math.min(box.right, there.right) - Math.max(box.left, there.left);
        const along = Math.min(box.bottom, there.bottom) - Math.max(box.top, there.top);
        // The box of a line of text is higher than its letters.
        if (across > 0.5 && along > 3) faults.push(`${place(svg)}: ${name(text)} overlaps ${name(other)}`);
      }
      const ratio = contrast(getComputedStyle(text).fill, background(text));
      if (ratio < 4.5) faults.push(`${place(svg)}: ${name(text)} has a contrast of ${ratio.toFixed(1)}`);
    });
    const named = texts.filter(([text]) => text.matches(".label, .value"));
    for (const mark of svg.querySelectorAll(".mark")) {
      const ratio = contrast(getComputedStyle(mark).color, background(mark));
      if (ratio < 3) faults.push(`${place(svg)}: a mark has a contrast of ${ratio.toFixed(1)}`);
      const box = mark.getBoundingClientRect();
      if (box.left < frame.left || box.right > frame.right || box.top < frame.top || box.bottom > frame.bottom) {
        faults.push(`${place(svg)}: a mark is not inside of its chart`);
      }
      for (const [text, there] of named) {
        const across = Math.min(box.right, there.right) - Math.max(box.left, there.left);
        const along = Math.min(box.bottom, there.bottom) - Math.max(box.top, there.top);
        if (across > 0.5 && along > 0.5) faults.push(`${place(svg)}: ${name(text)} is under a mark`);
      }
    }
  }

  for (const element of document.querySelectorAll("h1, h2, h3, h4, p, li, dt, dd, th, td, small, summary, a, .soft")) {
    const box = element.getBoundingClientRect();
    if (!visible(box) || element.closest("svg") || !element.textContent.trim()) continue;
    const ratio = contrast(getComputedStyle(element).color, background(element));
    if (ratio < 4.5) faults.push(`${place(element)}: ${name(element)} has a contrast of ${ratio.toFixed(1)}`);
    if (element.closest(".scroll")) continue;
    if (box.left < -0.5 || box.right > innerWidth + 0.5) faults.push(`${place(element)}: ${name(element)} is cut`);
  }
  const width = document.documentElement.scrollWidth;
  if (document.body && width > innerWidth) faults.push(`the page is ${width} wide in a window of ${innerWidth}`);
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  ids.filter((id, at) => ids.indexOf(id) < at).forEach((id) => faults.push(`there are two of ${id}`));

  const series = {};
  for (const svg of document.querySelectorAll("svg:not(.key)")) {
    series[place(svg)] = [...svg.querySelectorAll(".series")].map((group) => {
      const marks = [...group.querySelectorAll(".mark")].filter((mark) => visible(mark.getBoundingClientRect()));
      return [group.dataset.participant, marks.length];
    });
  }
  return { faults, series };
})()
