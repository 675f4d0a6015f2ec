using Mono.Cecil;
using Mono.Cecil.Cil;

namespace Edge.Architecture.Tests;

/// <summary>
/// Which folder of a compiled project uses which: read from its instructions, so that a type that needs no <c>using</c> counts too. A
/// folder is a namespace. A type that lies beside subfolders is a node of its own: the vocabulary of a project may lie at its root, what
/// uses the subfolders too, but not both in one type.
/// </summary>
internal sealed class FolderGraph
{
    private static readonly char[] TopEnd = ['.', ':'];

    private readonly string _root;
    private readonly HashSet<string> _parents;
    private readonly SortedDictionary<string, SortedDictionary<string, string>> _arrows = new(StringComparer.Ordinal);

    private FolderGraph(string root, HashSet<string> parents)
    {
        _root = root;
        _parents = parents;
    }

    /// <summary>The nodes, each with the nodes that it uses and one place where it does.</summary>
    internal IReadOnlyDictionary<string, SortedDictionary<string, string>> Arrows => _arrows;

    /// <param name="assembly">Path of the assembly.</param>
    /// <param name="root">Its root namespace; types outside it are left out.</param>
    internal static FolderGraph Of(string assembly, string root)
    {
        using ModuleDefinition module = ModuleDefinition.ReadModule(assembly);
        TypeDefinition[] types = [.. module.Types.Where(type => IsUnder(type.Namespace, root))];
        HashSet<string> namespaces = [.. types.Select(type => type.Namespace)];
        HashSet<string> parents =
        [
            .. namespaces.Where(parent => namespaces.Any(child => child.StartsWith(parent + ".", StringComparison.Ordinal))),
        ];
        var graph = new FolderGraph(root, parents);
        foreach (TypeDefinition type in types)
        {
            graph.Add(type);
        }

        return graph;
    }

    /// <summary>Groups of nodes that use one another in a circle, as sentences that name the places.</summary>
    internal IEnumerable<string> Circles()
    {
        foreach (string[] circle in Components().Where(component => component.Length > 1 && component.Any(node => !node.StartsWith(':'))))
        {
            IEnumerable<string> arrows = circle.SelectMany(
                from => _arrows[from].Where(to => circle.Contains(to.Key)).Select(to => $"{from} -> {to.Key} ({to.Value})"));
            yield return string.Join("; ", arrows);
        }
    }

    /// <summary>The folder of a namespace below the root: its first part, or empty for the root itself.</summary>
    internal static string Top(string node) => node.Split(TopEnd)[0];

    private static bool IsUnder(string name, string root) => name == root || name.StartsWith(root + ".", StringComparison.Ordinal);

    // ":Name" for a type beside subfolders, the rest of the namespace for all others.
    private string NodeOf(TypeReference type)
    {
        string name = type.Namespace;
        string folder = name == _root ? "" : name[(_root.Length + 1)..];
        return _parents.Contains(name) ? (folder.Length == 0 ? $":{type.Name}" : $"{folder}:{type.Name}") : folder;
    }

    private void Add(TypeDefinition type)
    {
        string from = NodeOf(Outermost(type));
        foreach ((TypeReference used, string place) in Uses(type))
        {
            if (Resolve(used) is { } target && NodeOf(target) is var to && to != from)
            {
                Targets(from).TryAdd(to, place);
                Targets(to);
            }
        }

        Targets(from);
        foreach (TypeDefinition nested in type.NestedTypes)
        {
            Add(nested);
        }
    }

    private SortedDictionary<string, string> Targets(string node) =>
        _arrows.TryGetValue(node, out SortedDictionary<string, string>? targets)
            ? targets
            : _arrows[node] = new SortedDictionary<string, string>(StringComparer.Ordinal);

    private TypeDefinition? Resolve(TypeReference used)
    {
        TypeReference element = used.GetElementType();
        return element is TypeDefinition definition && IsUnder(Outermost(definition).Namespace, _root) ? Outermost(definition) : null;
    }

    private static TypeDefinition Outermost(TypeDefinition type)
    {
        while (type.DeclaringType is { } outer)
        {
            type = outer;
        }

        return type;
    }

    private static IEnumerable<(TypeReference Type, string Place)> Uses(TypeDefinition type)
    {
        IEnumerable<TypeReference?> own =
        [
            type.BaseType,
            .. type.Interfaces.Select(each => each.InterfaceType),
            .. type.Fields.Select(field => field.FieldType),
            .. type.CustomAttributes.Select(each => each.AttributeType),
        ];
        foreach (TypeReference part in own.OfType<TypeReference>().SelectMany(Parts))
        {
            yield return (part, type.Name);
        }

        foreach (MethodDefinition method in type.Methods)
        {
            IEnumerable<TypeReference?> signature = [method.ReturnType, .. method.Parameters.Select(each => each.ParameterType)];
            IEnumerable<TypeReference?> body = !method.HasBody
                ? []
                : [.. method.Body.Variables.Select(each => each.VariableType), .. method.Body.Instructions.SelectMany(Operands)];
            foreach (TypeReference part in signature.Concat(body).OfType<TypeReference>().SelectMany(Parts))
            {
                yield return (part, $"{type.Name}.{method.Name}");
            }
        }
    }

    private static IEnumerable<TypeReference?> Operands(Instruction instruction) => instruction.Operand switch
    {
        TypeReference type => [type],
        FieldReference field => [field.DeclaringType, field.FieldType],
        MethodReference method =>
        [
            method.DeclaringType, method.ReturnType, .. method.Parameters.Select(each => each.ParameterType),
            .. method is GenericInstanceMethod generic ? generic.GenericArguments : [],
        ],
        _ => [],
    };

    private static IEnumerable<TypeReference> Parts(TypeReference type) => type switch
    {
        GenericInstanceType generic => [generic.ElementType, .. generic.GenericArguments.SelectMany(Parts)],
        FunctionPointerType or GenericParameter => [],
        TypeSpecification wrapped => Parts(wrapped.ElementType),
        _ => [type],
    };

    // Tarjan's strongly connected components (1972).
    private List<string[]> Components()
    {
        var order = new Dictionary<string, int>();
        var lowest = new Dictionary<string, int>();
        var path = new Stack<string>();
        var found = new List<string[]>();
        foreach (string node in _arrows.Keys.Where(node => !order.ContainsKey(node)))
        {
            Visit(node);
        }

        return found;

        void Visit(string node)
        {
            lowest[node] = order[node] = order.Count;
            path.Push(node);
            foreach (string next in _arrows[node].Keys)
            {
                if (!order.TryGetValue(next, out int position))
                {
                    Visit(next);
                    lowest[node] = Math.Min(lowest[node], lowest[next]);
                }
                else if (path.Contains(next))
                {
                    lowest[node] = Math.Min(lowest[node], position);
                }
            }

            if (lowest[node] == order[node])
            {
                var component = new List<string>();
                do
                {
                    component.Add(path.Pop());
                }
                while (component[^1] != node);
                found.Add([.. component]);
            }
        }
    }
}
