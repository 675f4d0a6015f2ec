namespace Edge.Inference.Models;

/// <summary>A symbol beside the readings, such as the day of the week.</summary>
public sealed partial class ModelManifest
{
    /// <summary>
    /// How many symbols the last input may be, numbered from 0, where a model reads a symbol beside readings; else 0. It is known from the
    /// model and not written.
    /// </summary>
    public int SymbolCount { get; private set; }

    /// <summary>The column that holds symbols: the last one; -1 where there are none, or the calendar gives them.</summary>
    public int SymbolColumn => SymbolCount > 0 && Calendar.Count == 0 ? Columns.Count - 1 : -1;

    /// <summary>Columns that hold readings.</summary>
    internal int ReadingCount => Columns.Count - (SymbolColumn < 0 ? 0 : 1);

    /// <summary>Whether a column can have a value: a column of symbols has whole numbers from 0 on.</summary>
    /// <param name="column">Number of the column.</param>
    /// <param name="value">In its unit.</param>
    internal bool CanHave(int column, double value) =>
        column != SymbolColumn || (value >= 0 && value < SymbolCount && Math.Floor(value) == value);

    /// <summary>This manifest for a model whose last input is a symbol.</summary>
    /// <param name="count">Symbols; 0 where every input is a reading.</param>
    /// <exception cref="ModelFormatException">Neither the last column nor the calendar gives the numbers of its symbols.</exception>
    internal ModelManifest WithSymbols(int count)
    {
        RequireCalendar(count);
        var manifest = (ModelManifest)MemberwiseClone();
        manifest.SymbolCount = count;
        if (manifest.SymbolColumn is >= 0 and int column && (Mean[column] != 0 || Std[column] != 1))
        {
            throw new ModelFormatException(
                $"The model's last input is the number of a symbol from 0 to {count - 1}, but the manifest normalizes the last column, "
                    + $"'{Columns[column]}'. Name the column of symbols last in 'columns', with 'mean' 0 and 'std' 1.");
        }

        return manifest;
    }

    private void RequireCalendar(int count)
    {
        int at = Enumerable.Range(0, Calendar.Count).FirstOrDefault(i => CalendarInputs.SymbolsOf(Calendar[i]) > 0, -1);
        if (at >= 0 && count == 0)
        {
            throw new ModelFormatException(
                $"Manifest entry 'calendar' has '{ModelReader.Name(Calendar[at])}', the number of a symbol, but the model looks no symbol "
                    + $"up. Remove it.");
        }

        if (count > 0 && Calendar.Count > 0 && at != Calendar.Count - 1)
        {
            throw new ModelFormatException(
                "The model's last input is the number of a symbol, so the manifest's 'calendar' must end with the only symbol in it, hour "
                    + "or weekday. If a column has the symbols, remove 'calendar'.");
        }

        if (at >= 0 && CalendarInputs.SymbolsOf(Calendar[at]) > count)
        {
            throw new ModelFormatException(
                $"Manifest entry 'calendar' has '{ModelReader.Name(Calendar[at])}' with {CalendarInputs.SymbolsOf(Calendar[at])} symbols, "
                    + $"but the model knows {count}. Use the manifest that was written with it.");
        }
    }
}
