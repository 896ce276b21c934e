"use strict";
(() => {
  const thumbnails = JSON.parse(document.getElementById("thumbnails").textContent);
  const form = document.getElementById("filters");
  const holder = document.getElementById("rows");
  const rows = [...holder.children];

  // An image's bytes are in the page once; each place that shows it gets them when it comes near.
  const fill = (row) => {
    for (const image of row.querySelectorAll("img[data-t]")) {
      image.src = "data:image/jpeg;base64," + thumbnails[image.dataset.t];
      image.removeAttribute("data-t");
    }
  };
  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) {
        fill(entry.target);
        near.unobserve(entry.target);
      }
    }
  }, { rootMargin: "1000px" });
  const articles = document.querySelectorAll(".query");
  articles.forEach((row) => near.observe(row));
  window.addEventListener("beforeprint", () => articles.forEach(fill));

  const gain = (row) => Number(row.dataset.gain);
  const orders = {
    change: (a, b) => Math.abs(gain(b)) - Math.abs(gain(a)),
    gain: (a, b) => gain(b) - gain(a),
    loss: (a, b) => gain(a) - gain(b),
    name: (a, b) => key(a) < key(b) ? -1 : 1,
  };
  let order = "change"; // as the page has them
  const key = (row) => row.dataset.scene + " " + row.dataset.names;

  const apply = () => {
    const asked = Object.fromEntries(new FormData(form));
    const text = asked.text.trim().toLowerCase();
    const wanted = (row) =>
      ["scene", "change", "first", "reranked"].every((k) => !asked[k] || row.dataset[k] === asked[k]) &&
      (!text || row.dataset.names.includes(text));
    let shown = 0;
    for (const row of rows) {
      row.hidden = !wanted(row);
      shown += !row.hidden;
    }
    if (asked.order !== order) {
      order = asked.order;
      holder.append(...[...rows].sort(orders[order]));
    }
    document.getElementById("count").textContent = `${shown} of ${rows.length} queries`;
    document.getElementById("none").hidden = shown > 0;
  };
  form.addEventListener("input", apply);
  form.querySelector("[type=reset]").addEventListener("click", (event) => {
    event.preventDefault(); // the event "reset" comes before the fields are empty
    form.reset();
    apply();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  apply();

  // Pointing at an image shows where its camera stood, and the other way round.
  const light = (event, on) => {
    const part = event.target.closest?.("[data-i]");
    if (!part) return;
    for (const twin of part.closest(".query").querySelectorAll(`[data-i="${part.dataset.i}"]`)) {
      twin.classList.toggle("lit", on);
    }
  };
  document.addEventListener("pointerover", (event) => light(event, true));
  document.addEventListener("pointerout", (event) => light(event, false));
})();
