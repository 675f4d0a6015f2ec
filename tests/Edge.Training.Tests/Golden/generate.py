"""Writes gradients.json: losses and gradients as PyTorch computes them. Run in this folder."""
import torch, json
torch.manual_seed(7)
def flat(t): return [float('%.9g'%v) for v in t.detach().reshape(-1).tolist()]
T,B,I,U,O=6,3,5,7,2
cases=[]
x=torch.randn(T,B,I); target=torch.randn(T,B,O)
for kind,cls in (("lstm",torch.nn.LSTM),("gru",torch.nn.GRU),("rnn",torch.nn.RNN)):
    net=cls(I,U); head=torch.nn.Linear(U,O)
    y,_=net(x); out=head(y)
    loss=torch.nn.functional.huber_loss(out,target,delta=1.0)
    loss.backward()
    p={n:flat(v) for n,v in net.named_parameters()}; g={n:flat(v.grad) for n,v in net.named_parameters()}
    cases.append(dict(kind=kind,x=flat(x),target=flat(target),parameters=p,gradients=g,head_weight=flat(head.weight),head_bias=flat(head.bias),
      head_weight_gradient=flat(head.weight.grad),head_bias_gradient=flat(head.bias.grad),loss=loss.item(),outputs=flat(out)))
losses={}
out=torch.randn(4,6,requires_grad=True); tgt=torch.randn(4,2)
def q(out):
    o=out.reshape(4,2,3); l=torch.tensor([0.1,0.5,0.9]); d=tgt.unsqueeze(-1)-o
    return torch.maximum(l*d,(l-1)*d).sum(-1).mean()
l=q(out); l.backward(); losses['quantile']=dict(outputs=flat(out),target=flat(tgt),loss=l.item(),gradient=flat(out.grad))
out=torch.randn(4,4,requires_grad=True); tg=torch.randn(4,2)
o=out.reshape(4,2,2)
l=(0.5*(o[...,1]+(o[...,0]-tg)**2*torch.exp(-o[...,1]))).mean(); l.backward(); losses['gaussian']=dict(outputs=flat(out),target=flat(tg),loss=l.item(),gradient=flat(out.grad))
out=torch.randn(5,4,requires_grad=True); t=torch.tensor([0,3,1,2,2])
l=torch.nn.functional.cross_entropy(out,t); l.backward(); losses['cross_entropy']=dict(outputs=flat(out),target=[float(v) for v in t],loss=l.item(),gradient=flat(out.grad))
# adamw: three steps on a vector
w=torch.tensor([1.0,-2.0,0.5,3.0,0.1,0.2,0.3,0.4,-0.7,1.5],requires_grad=True); opt=torch.optim.AdamW([w],lr=0.01,weight_decay=0.02)
grads=[]
steps=[]
for k in range(3):
    g=torch.randn(10); grads.append(flat(g)); w.grad=g; opt.step(); steps.append(flat(w))
json.dump(dict(steps=T,strands=B,inputs=I,units=U,outputs=O,cells=cases,losses=losses,adamw=dict(start=[1.0,-2.0,0.5,3.0,0.1,0.2,0.3,0.4,-0.7,1.5],gradients=grads,after=steps)),open('gradients.json','w'))
