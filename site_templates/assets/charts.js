'use strict';
// Charts: series in, Plotly out, drawn when they scroll into view, in the colours of the page.
gitml.charts = (function () {
  const { css } = gitml;
  const CONFIG = { displayModeBar: false, displaylogo: false, showSendToCloud: false, responsive: true };

  // A running mean that forgets, without the pull of its start; gaps stay gaps.
  function smooth(values, weight) {
    if (!weight) return values;
    let sum = 0, part = 0;
    return values.map(value => {
      if (value === null) return null;
      sum = sum * weight + value * (1 - weight);
      part = part * weight + (1 - weight);
      return sum / part;
    });
  }
  function layout(more) {
    const line = css('--line');
    return Object.assign({
      margin: { l: 52, r: 16, t: 12, b: 34 }, paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)', showlegend: false,
      font: { family: css('--sans'), size: 11, color: css('--muted') }, hovermode: 'x unified', dragmode: 'zoom',
      hoverlabel: { bgcolor: css('--raised'), bordercolor: css('--line-2'), font: { color: css('--text'), size: 12 }, namelength: 30 },
    }, more, {
      xaxis: Object.assign({ gridcolor: line, linecolor: line, zeroline: false, nticks: 6, automargin: true }, more.xaxis),
      yaxis: Object.assign({ gridcolor: line, linecolor: line, zeroline: false, nticks: 5, automargin: true, exponentformat: 'power' }, more.yaxis),
    });
  }
  // lines: [{name, x, y, color, dash}], each drawn smoothed with the raw values faintly behind.
  function traces(lines, view) {
    const made = [];
    for (const line of lines) {
      const color = css(line.color);
      // A point between gaps is no line: it is drawn as a dot.
      const alone = line.y.map((y, n) => y !== null && (line.y[n - 1] ?? null) === null && (line.y[n + 1] ?? null) === null);
      const mode = alone.includes(true) ? 'lines+markers' : 'lines', size = alone.map(dot => dot ? 7 : 0);
      if (view.smoothing) made.push({ type: 'scatter', mode, x: line.x, y: line.y, line: { color, width: 1 }, marker: { color, size: 0 }, opacity: 0.25, hoverinfo: 'skip' });
      made.push({ type: 'scatter', mode, x: line.x, y: smooth(line.y, view.smoothing), name: line.name, line: { color, width: 2, dash: line.dash || 'solid' }, marker: { color, size, line: { width: 0 } }, hovertemplate: '%{y:.6g}' });
    }
    return made;
  }
  function curves(element, lines, view) {
    const time = view.x === 'time';
    return plot(element, traces(lines, view), layout({
      xaxis: { title: { text: time ? 'seconds since the start' : 'step', standoff: 6 }, rangemode: lines.every(l => l.x.every(x => x >= 0)) ? 'tozero' : 'normal' },
      yaxis: { type: view.log ? 'log' : 'linear' },
    }));
  }
  function plot(element, data, made) {
    element.classList.add('drawn');
    return Plotly.react(element, data, made, CONFIG);
  }

  // Draws what is visible now and the rest when it is scrolled to; draw() again after a change.
  function lazily(elements, draw) {
    const seen = new Set();
    const watch = new IntersectionObserver(entries => {
      for (const entry of entries) if (entry.isIntersecting) { seen.add(entry.target); watch.unobserve(entry.target); draw(entry.target); }
    }, { rootMargin: '300px' });
    elements.forEach(element => watch.observe(element));
    return () => seen.forEach(draw);
  }
  // Paper is white, and narrower than a screen: two charts beside each other.
  const PAPER = 330;
  let theme;
  const sized = layout => document.querySelectorAll('.chart.drawn').forEach(chart => Plotly.relayout(chart, layout));
  addEventListener('beforeprint', () => {
    theme = document.documentElement.dataset.theme;
    document.documentElement.dataset.theme = 'light';
    gitml.painters.forEach(paint => paint());
    sized({ autosize: false, width: PAPER });
  });
  addEventListener('afterprint', () => {
    if (theme) document.documentElement.dataset.theme = theme; else delete document.documentElement.dataset.theme;
    sized({ autosize: true, width: null });
    gitml.painters.forEach(paint => paint());
  });
  return { CONFIG, curves, layout, lazily, plot, smooth };
})();
