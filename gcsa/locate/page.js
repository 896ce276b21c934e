(() => {
  const content = JSON.parse(document.getElementById("content").textContent);
  const canvas = document.querySelector("canvas");
  const lines = [...document.querySelectorAll("tbody tr")];
  document.querySelectorAll(".needs-script").forEach((part) => { part.hidden = false; });
  const map = placesMap(canvas, document.querySelector(".buttons"));

  const photo = (words, name, number) => {
    const figure = document.createElement("figure"), caption = document.createElement("figcaption");
    const image = document.createElement(number === null ? "div" : "img");
    if (number === null) {
      image.className = "blank";
      image.textContent = name;
    } else {
      image.src = "data:image/jpeg;base64," + content.thumbnails[number];
      image.alt = `${words}: ${name}`;
    }
    image.title = name;
    caption.textContent = words;
    figure.append(image, caption);
    return figure;
  };
  const choose = (number) => {
    const query = content.queries[number];
    lines.forEach((line) => {
      line.classList.toggle("chosen", Number(line.dataset.q) === number);
    });
    document.getElementById("name").textContent = `${content.scenes[query.scene].name}: ${query.name}`;
    document.getElementById("said").textContent = answerWords(query);
    canvas.setAttribute("aria-label", `Map of ${query.name}. ${answerWords(query)}`);
    document.getElementById("photos").replaceChildren(
      photo("query", query.name, query.thumbnail),
      ...query.best.map((b, n) => photo(`${n + 1}, ${percent(b.probability)}`, b.name, b.thumbnail)),
    );
    map.show(content.scenes[query.scene], query);
  };

  document.querySelector("tbody").addEventListener("click", (event) => {
    const line = event.target.closest("tr");
    if (!line) return;
    choose(Number(line.dataset.q));
    // Where the map stands above the table, not beside it.
    if (canvas.getBoundingClientRect().bottom < 0) document.getElementById("name").scrollIntoView();
  });
  document.querySelector("input").addEventListener("input", (event) => {
    const text = event.target.value.trim().toLowerCase();
    lines.forEach((line) => { line.hidden = !line.dataset.text.includes(text); });
  });
  if (content.queries.length) choose(0);
})();
