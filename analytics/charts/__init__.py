"""Charts of usage as HTML and SVG made on the server: values in, a figure with its table out.

They need `css/charts.css` and no inline style. They work without a script; `js/charts.js` makes one that has
links a single stop of the Tab key. Colours come from custom properties, for light, dark and print; classes of
calls are told apart by patterns too, and lines by their dashes.
"""
